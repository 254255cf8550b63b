// The `model` of a `tokenizer.json`: its vocabulary, and how words become pieces of it.
#pragma once

#include <memory>
#include <unordered_set>

#include "json.h"
#include "model.h"
#include "piece_table.h"

namespace weft::tokenizer {

enum class ModelKind { kBpe, kUnigram, kWordPiece, kWordLevel };

/// Old files leave the type out; the fields then tell.
/// @throws Error{kCorrupt, kUnsupported}
ModelKind read_model_kind(const JsonValue& model);

/// Reads "model.vocab": every piece findable by its spelling.
/// @throws Error{kCorrupt, kTooLarge}
PieceTable read_vocabulary(const JsonValue& model, ModelKind kind, const TokenizerLimits& limits);

/// A model that has been read, and needs no more of the file. Large tables are made only by make(), so that the file's
/// memory can go before.
class PendingModel {
 public:
  virtual ~PendingModel() = default;
  /// Call once.
  [[nodiscard]] virtual std::unique_ptr<const Model> make() = 0;
};

/// Reads the rest of the model.
/// @param vocabulary  Lent until make() returns.
/// @param special     Ids that no text may become, whatever the model says; single characters and the unknown token stay
///                    what they are.
/// @param keep_bytes  Whether words may come as bytes instead of letters of the byte-level alphabet; becomes whether
///                    they must.
/// @throws Error{kCorrupt, kUnsupported}
std::unique_ptr<PendingModel> read_model(const JsonValue& model, ModelKind kind, const PieceTable& vocabulary,
                                         const std::unordered_set<Token>& special, bool& keep_bytes);

}  // namespace weft::tokenizer
