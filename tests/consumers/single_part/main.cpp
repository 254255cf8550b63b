// Encodes its argument with a byte-level tokenizer of three pieces, and prints the ids.
#include <cstdio>

#include "weft/tokenizer.h"

int main(int argc, char** argv) {
  const auto tokenizer = weft::parse_tokenizer(
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
          "decoder": {"type": "ByteLevel"}})",
      "three pieces");
  for (const weft::Token token : tokenizer->encode(argc > 1 ? argv[1] : "", weft::Specials::kAsText)) {
    std::printf("%d\n", static_cast<int>(token));
  }
}
