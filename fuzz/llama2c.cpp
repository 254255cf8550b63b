// llama2.c's tokenizer.bin.
#include "fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  weft::fuzz::check_file(weft::fuzz::view(data, size), "tokenizer.bin");
  return 0;
}
