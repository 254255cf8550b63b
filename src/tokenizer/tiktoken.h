// tiktoken's rank files: a token in base64 and its rank on each line. They say neither how a text is split into words nor
// which control tokens there are; that is known of published encodings.
#pragma once

#include <memory>
#include <string_view>

#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// Whether `bytes` start like such a file.
[[nodiscard]] bool is_tiktoken(std::string_view bytes);

/// @param name  Also tells the encoding, if `options` don't: "cl100k_base.tiktoken".
/// @throws Error{kCorrupt, kUnsupported, kTooLarge, kInvalidArgument}
std::unique_ptr<const Tokenizer> parse_tiktoken(std::string_view bytes, std::string_view name,
                                                const TokenizerOptions& options, const TokenizerLimits& limits);

}  // namespace weft::tokenizer
