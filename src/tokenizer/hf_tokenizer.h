// Hugging Face's `tokenizer.json`.
#pragma once

#include <memory>

#include "json.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
std::unique_ptr<const Tokenizer> parse_hf_tokenizer(const JsonValue& root, const TokenizerLimits& limits);

}  // namespace weft::tokenizer
