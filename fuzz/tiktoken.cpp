// tiktoken's rank files.
#include "fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  weft::fuzz::check_file(weft::fuzz::view(data, size), "ranks.tiktoken", {.encoding = "gpt2"});
  return 0;
}
