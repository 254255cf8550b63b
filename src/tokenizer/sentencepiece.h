// SentencePiece's `.model`.
#pragma once

#include <memory>
#include <string_view>

#include "sentencepiece_model.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
std::unique_ptr<const Tokenizer> parse_sentencepiece(std::string_view bytes, std::string_view name,
                                                     const TokenizerLimits& limits);

/// The same from a model that another format held; it is checked first.
std::unique_ptr<const Tokenizer> make_sentencepiece_tokenizer(SentencePieceModel model, std::string_view name,
                                                              const TokenizerLimits& limits);

}  // namespace weft::tokenizer
