// Byte-pair encoding whose file lists tokens by rank, without saying what merges into them: tiktoken's.
//
// There, two neighbours merge if their joined bytes are a token, the lowest rank first, the leftmost of several. Whatever
// stands around a token's bytes, up to the merge that makes it nothing else happens than if they stood alone: so a token is
// always made of the same two, and merging its own bytes shows of which.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bpe.h"
#include "weft/token.h"

namespace weft::tokenizer {

struct RankedToken {
  std::string bytes;  ///< Not empty.
  Token id;
};

/// What is wrong with a list of tokens.
struct RankedBpeError {
  std::string message;
  bool too_large = false;
};

/// @param tokens  By ascending rank, no two alike.
/// @throws RankedBpeError
[[nodiscard]] std::unique_ptr<const Bpe> make_ranked_bpe(const std::vector<RankedToken>& tokens);

}  // namespace weft::tokenizer
