// The vocabulary inside a GGUF file, tokenized as llama.cpp does.
#pragma once

#include <memory>

#include "gguf_metadata.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
std::unique_ptr<const Tokenizer> make_gguf_tokenizer(const GgufMetadata& metadata, const TokenizerLimits& limits);

}  // namespace weft::tokenizer
