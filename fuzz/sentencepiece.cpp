// SentencePiece's models.
#include "fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  weft::fuzz::check_file(weft::fuzz::view(data, size), "spiece.model");
  return 0;
}
