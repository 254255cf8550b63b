// How llama.cpp splits texts into words, by the name that a GGUF file has under tokenizer.ggml.pre.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "split_patterns.h"

namespace weft::tokenizer {

struct GgufPreTokenizer {
  /// One after another: regular expressions that isolate their matches, or what has a scanner only.
  std::vector<std::variant<std::string_view, KnownPattern>> splits;
  bool whole_words = false;  ///< A word that is a token is that token, whatever its merges.
  bool adds_bos = false;     ///< Unless the file says otherwise.
  bool has_bos = true;       ///< Whether there is a BOS where the file names none.
  /// How the vocabulary spells bytes: in GPT-2's alphabet, or as they are, with "<0x0A>" for what has no piece.
  bool byte_level = true;
  bool escapes_blanks = false;      ///< A blank is U+2581.
  bool whole_line_ends = false;     ///< The same as whole_words for words of line ends.
  bool bos_always = false;          ///< Even if the file says that there is none.
};

/// nullptr if the name isn't known.
[[nodiscard]] const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name);
[[nodiscard]] std::string gguf_pre_tokenizer_names();

}  // namespace weft::tokenizer
