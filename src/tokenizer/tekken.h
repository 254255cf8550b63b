// Mistral's `tekken.json`.
#pragma once

#include <memory>
#include <string_view>

#include "json.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// Whether a JSON file is one: its "vocab" is a list beside a "config".
[[nodiscard]] bool is_tekken(const JsonValue& root);

/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
std::unique_ptr<const Tokenizer> parse_tekken(const JsonValue& root, std::string_view name,
                                              const TokenizerLimits& limits);

}  // namespace weft::tokenizer
