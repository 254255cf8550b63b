// Hugging Face's `tokenizer.json`.
#pragma once

#include <functional>
#include <memory>

#include "json.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// @param release  Called once the document is gone and the bytes that it was lent aren't needed any more: before large
///                 tables are made.
/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
std::unique_ptr<const Tokenizer> parse_hf_tokenizer(std::unique_ptr<const JsonDocument> document,
                                                    const std::function<void()>& release, const TokenizerLimits& limits);

}  // namespace weft::tokenizer
