// A small tokenizer.json: all bytes, a few merges, three added tokens. Tests change it and parse it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/tokenizer/byte_level.h"
#include "weft/tokenizer.h"

namespace weft::testing {

inline constexpr Token kHello = 260, kLo = 259, kEnd = 261, kBlanks = 262, kStart = 263;

inline nlohmann::json added_token(Token id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

/// Ids 0 to 255 are the bytes; then "he", "ll", "hell", "lo", "hello"; "<|end|>", four blanks and "<|start|>" are
/// added.
inline nlohmann::json tiny_file() {
  nlohmann::json vocab = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[tokenizer::to_byte_level(std::string(1, static_cast<char>(byte)))] = byte;
  vocab["he"] = 256, vocab["ll"] = 257, vocab["hell"] = 258, vocab["lo"] = kLo, vocab["hello"] = kHello;
  return {
      {"version", "1.0"},
      {"added_tokens",
       {added_token(kEnd, "<|end|>", true), added_token(kBlanks, "    ", false),
        added_token(kStart, "<|start|>", true)}},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "l o", "hell o"}}}},
  };
}

inline std::unique_ptr<const Tokenizer> parse(const nlohmann::json& file) {
  return parse_tokenizer(file.dump(), "tiny.json");
}

/// One id for each byte.
inline std::vector<Token> bytes_of(std::string_view text) {
  std::vector<Token> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

}  // namespace weft::testing
