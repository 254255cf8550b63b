#include "model.h"

#include "bpe.h"
#include "rwkv.h"
#include "symbol_model.h"
#include "unigram_model.h"
#include "word_level.h"
#include "word_piece.h"

namespace weft::tokenizer {

std::unique_ptr<const Model> read_model(CompiledReader& reader, std::size_t pieces) {
  const auto kind = reader.take<Model::Kind>();
  switch (kind) {
    case Model::Kind::kBpe: return read_model_of<Bpe>(reader, pieces);
    case Model::Kind::kUnigram: return read_model_of<UnigramModel>(reader, pieces);
    case Model::Kind::kWordPiece: return read_model_of<WordPiece>(reader, pieces);
    case Model::Kind::kWordLevel: return read_model_of<WordLevel>(reader, pieces);
    case Model::Kind::kRwkv: return read_rwkv_model(reader, pieces);
    case Model::Kind::kScoreBpe:
    case Model::Kind::kWord:
    case Model::Kind::kCharacter: break;
  }
  return read_symbol_model(kind, reader, pieces);
}

}  // namespace weft::tokenizer
