// What tiktoken's rank files and Mistral's tekken.json have in common: a pattern that splits a text into words, tokens by
// rank, and control tokens.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "ranked_bpe.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

struct RankedVocabulary {
  std::string name;                 ///< Of the file, for errors.
  std::string pattern;              ///< Words are its matches; what lies between them is left out.
  std::vector<RankedToken> tokens;  ///< By ascending rank.
  std::vector<AddedToken> control;  ///< Ids of their own.
  bool composes = false;            ///< Texts are brought to NFC first.
};

/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
[[nodiscard]] std::unique_ptr<const Tokenizer> make_ranked_tokenizer(RankedVocabulary vocabulary,
                                                                     const TokenizerLimits& limits);

}  // namespace weft::tokenizer
