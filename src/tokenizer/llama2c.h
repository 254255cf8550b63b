// llama2.c's `tokenizer.bin`: scores and pieces of a SentencePiece BPE model, and no more.
#pragma once

#include <memory>
#include <string_view>

#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// Whether `bytes` start like such a file.
[[nodiscard]] bool is_llama2c(std::string_view bytes);

/// @throws Error{kCorrupt, kTooLarge}
std::unique_ptr<const Tokenizer> parse_llama2c(std::string_view bytes, std::string_view name,
                                               const TokenizerLimits& limits);

}  // namespace weft::tokenizer
