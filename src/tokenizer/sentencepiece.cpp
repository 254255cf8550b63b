#include "sentencepiece.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "score_bpe.h"
#include "sentencepiece_decoder.h"
#include "sentencepiece_model.h"
#include "sentencepiece_normalizer.h"
#include "staged_tokenizer.h"
#include "symbol_model.h"
#include "unigram.h"
#include "unigram_model.h"
#include "utf8.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

using Type = SentencePieceModel::Type;
using Kind = SentencePieceModel::Kind;

constexpr float kUnknownPenalty = 10;

std::vector<std::string_view> user_defined(const SentencePieceModel& model) {
  std::vector<std::string_view> pieces;
  for (const auto& piece : model.pieces) {
    if (piece.type == Type::kUserDefined) pieces.push_back(piece.text);
  }
  return pieces;
}

UnknownSymbols unknown_symbols(const SentencePieceModel& model) {
  UnknownSymbols result{model.unknown};
  if (!model.byte_fallback) return result;
  result.bytes.emplace();
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type != Type::kByte) continue;
    (*result.bytes)[static_cast<std::size_t>(byte_of_piece(model.pieces[id].text))] = static_cast<Token>(id);
  }
  return result;
}

Unigram make_unigram(const SentencePieceModel& model) {
  float lowest = std::numeric_limits<float>::max();
  for (const auto& piece : model.pieces) {
    if (piece.type == Type::kNormal) lowest = std::min(lowest, piece.score);
  }
  std::vector<Unigram::Piece> pieces;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (!is_text(piece.type) || piece.type == Type::kUnused) continue;
    // What the user defined is better than any piece, and the longer the better.
    const double bonus = 0.1 * (static_cast<double>(piece.text.size()) - 1);
    const float score = piece.type == Type::kUserDefined ? static_cast<float>(bonus) : piece.score;
    pieces.push_back({piece.text, static_cast<Token>(id), score});
  }
  Unigram::Options options;
  options.sums = Unigram::Sums::kSingle;
  options.unknown = model.unknown;
  options.unknown_score = lowest - kUnknownPenalty;
  options.bytes = unknown_symbols(model).bytes;
  return Unigram(pieces, options);
}

ScoreBpe make_bpe(const SentencePieceModel& model, std::string_view name) {
  std::vector<ScoreBpe::Piece> pieces;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (!is_text(piece.type)) continue;
    const auto kind = piece.type == Type::kUnused        ? ScoreBpe::Piece::Kind::kUnused
                      : piece.type == Type::kUserDefined ? ScoreBpe::Piece::Kind::kUserDefined
                                                         : ScoreBpe::Piece::Kind::kNormal;
    pieces.push_back({piece.text, static_cast<Token>(id), piece.score, kind});
  }
  try {
    return ScoreBpe(pieces);
  } catch (const MergesTooMany&) {
    throw Error(ErrorCode::kTooLarge, "the pieces have more merges than can be listed", std::string(name),
                "the file is damaged; fetch it again");
  }
}

PieceTrie trie_of(const SentencePieceModel& model, std::initializer_list<Type> types) {
  std::vector<PieceTrie::Entry> entries;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (std::find(types.begin(), types.end(), piece.type) == types.end()) continue;
    entries.push_back({piece.text, static_cast<std::uint32_t>(id)});
  }
  return PieceTrie(std::move(entries));
}

std::unique_ptr<const Model> make_model(const SentencePieceModel& model, std::string_view name) {
  switch (model.kind) {
    case Kind::kUnigram: return std::make_unique<UnigramModel>(make_unigram(model));
    case Kind::kBpe: return make_bpe_model(make_bpe(model, name), unknown_symbols(model));
    case Kind::kWord: return make_word_model(trie_of(model, {Type::kNormal, Type::kUserDefined}), unknown_symbols(model));
    case Kind::kChar: break;
  }
  return make_character_model(trie_of(model, {Type::kNormal, Type::kUserDefined}), trie_of(model, {Type::kUserDefined}),
                              unknown_symbols(model));
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_sentencepiece(std::string_view bytes, std::string_view name,
                                                     const TokenizerLimits& limits) {
  return make_sentencepiece_tokenizer(parse_sentencepiece_model(bytes, name, limits), name, limits);
}

std::unique_ptr<const Tokenizer> make_sentencepiece_tokenizer(SentencePieceModel model, std::string_view name,
                                                              const TokenizerLimits& limits) {
  Stages stages;
  stages.pieces = check_sentencepiece_model(model, name);
  stages.model = make_model(model, name);
  std::vector<AddedToken> control;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (piece.type == Type::kControl) control.push_back(control_token(static_cast<Token>(id), piece.text));
  }
  stages.added = AddedTokens(std::move(control), Normalizer());
  SentencePieceDecoding decoding;
  decoding.strips_first_space = model.normalizer.add_dummy_prefix || model.normalizer.remove_extra_whitespaces;
  decoding.strips_all_spaces = model.normalizer.remove_extra_whitespaces;
  decoding.unknown_surface = model.unknown_surface;
  for (const auto& piece : model.pieces) {
    if (piece.type == Type::kUnknown) decoding.unknown = piece.text;
    if (piece.type == Type::kControl) decoding.control.insert(piece.text);
  }
  decoding.has_bytes = model.byte_fallback;
  if (model.has_denormalizer) {
    decoding.denormalizer = std::make_shared<SentencePieceNormalizer>(std::move(model.denormalizer), false,
                                                                      std::vector<std::string_view>());
  }
  add_sentencepiece_decoding(stages.decoder, std::move(decoding));
  std::vector<std::unique_ptr<NormalizerStep>> steps;
  steps.push_back(make_sentencepiece_step(
      SentencePieceNormalizer(std::move(model.normalizer), model.treat_whitespace_as_suffix, user_defined(model))));
  stages.normalizer = Normalizer(std::move(steps));
  stages.text_bytes = std::min<std::size_t>(limits.text_bytes, std::numeric_limits<std::int32_t>::max());
  return make_tokenizer(std::move(stages));
}

}  // namespace weft::tokenizer
