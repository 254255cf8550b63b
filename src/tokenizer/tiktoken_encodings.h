// The published encodings of tiktoken's kind: patterns and control tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"

namespace weft::tokenizer {

struct TiktokenEncoding {
  std::string_view pattern;
  std::vector<AddedToken> control;
  bool composes = false;  ///< Texts are brought to NFC first.
};

/// @param next_id  One more than the largest rank in the file: where some encodings number their control tokens from.
[[nodiscard]] std::optional<TiktokenEncoding> find_encoding(std::string_view name, Token next_id);

/// The encoding that a file of this name holds, or nothing. @param next_id  As above; tells Llama 3's tokenizer.model.
[[nodiscard]] std::optional<std::string_view> encoding_of_file(std::string_view path, Token next_id);

/// "cl100k_base, gpt2, ..." for error messages.
[[nodiscard]] std::string encoding_names();

}  // namespace weft::tokenizer
