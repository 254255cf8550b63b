// How llama.cpp splits texts into words, by the name that a GGUF file has under tokenizer.ggml.pre.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::tokenizer {

struct GgufPreTokenizer {
  std::vector<std::string_view> patterns;  ///< One after another; each isolates its matches.
  bool whole_words = false;                ///< A word that is a token is that token, whatever its merges.
  bool adds_bos = false;                   ///< Unless the file says otherwise.
};

/// nullptr if the name isn't known.
[[nodiscard]] const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name);
[[nodiscard]] std::string gguf_pre_tokenizer_names();

}  // namespace weft::tokenizer
