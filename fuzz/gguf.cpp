// The vocabulary inside a GGUF file.
#include "fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  weft::fuzz::check_file(weft::fuzz::view(data, size), "model.gguf");
  return 0;
}
