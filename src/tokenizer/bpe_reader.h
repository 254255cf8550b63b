// The `model` of a `tokenizer.json`: its vocabulary, and what merges into what.
#pragma once

#include <unordered_set>

#include "bpe.h"
#include "json.h"
#include "piece_table.h"

namespace weft::tokenizer {

/// Reads "model.vocab": every piece findable by its spelling.
/// @throws Error{kCorrupt, kTooLarge}
PieceTable read_vocabulary(const JsonValue& model, const TokenizerLimits& limits);

/// Reads the rest of a byte-level BPE model.
/// @param special  Ids that no text may become, whatever the merges say; single bytes stay what they are.
/// @throws Error{kCorrupt, kUnsupported}
Bpe read_bpe(const JsonValue& model, const PieceTable& vocabulary, const std::unordered_set<Token>& special);

}  // namespace weft::tokenizer
