#include "ranked_tokenizer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "byte_level.h"
#include "json.h"
#include "regex.h"
#include "split_patterns.h"
#include "staged_tokenizer.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

std::unique_ptr<const Model> make_model(const RankedVocabulary& vocabulary) {
  try {
    return make_ranked_bpe(vocabulary.tokens);
  } catch (const RankedBpeError& error) {
    throw Error(error.too_large ? ErrorCode::kTooLarge : ErrorCode::kCorrupt, error.message, vocabulary.name,
                "the file is cut short or damaged; fetch it again");
  }
}

PreTokenizer make_pre_tokenizer(const RankedVocabulary& vocabulary) {
  PreTokenizer result;
  if (const auto known = find_known_pattern(vocabulary.pattern, RegexEngine::kTiktoken)) {
    result.add_split(*known, SplitBehavior::kIsolated, /*invert=*/false);
    return result;
  }
  try {
    result.add_split(Regex(vocabulary.pattern, RegexEngine::kTiktoken), SplitBehavior::kRemoved, /*invert=*/true);
  } catch (const RegexError& error) {
    throw Error(error.unsupported ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument,
                "the pattern " + tokenizer::quoted(vocabulary.pattern) + " is wrong at byte " + std::to_string(error.place) + ": " +
                    error.message,
                vocabulary.name, "give another pattern, or report the model");
  }
  return result;
}

PieceTable make_pieces(const RankedVocabulary& vocabulary) {
  Token largest = -1;
  for (const RankedToken& token : vocabulary.tokens) largest = std::max(largest, token.id);
  for (const AddedToken& token : vocabulary.control) largest = std::max(largest, token.id);
  PieceTable pieces;
  pieces.resize(static_cast<std::size_t>(largest) + 1);
  pieces.reserve(vocabulary.tokens.size() + vocabulary.control.size());
  const auto add = [&](Token id, std::string_view piece) {
    if (pieces.has(id)) {
      throw Error(ErrorCode::kCorrupt,
                  "id " + std::to_string(id) + " is that of " + tokenizer::quoted(pieces[id]) + " and of " + tokenizer::quoted(piece),
                  vocabulary.name, "fetch the file again, or name another encoding");
    }
    pieces.set(id, piece);
    return pieces.index(id);
  };
  for (const AddedToken& token : vocabulary.control) {
    // o200k_harmony has two names for one id.
    if (pieces.has(token.id) ? pieces.find(token.content) < 0 : add(token.id, token.content)) continue;
    throw Error(ErrorCode::kCorrupt, "the control token " + tokenizer::quoted(token.content) + " is there twice", vocabulary.name,
                "fetch the file again");
  }
  for (const RankedToken& token : vocabulary.tokens) add(token.id, to_byte_level(token.bytes));
  return pieces;
}

}  // namespace

std::unique_ptr<const Tokenizer> make_ranked_tokenizer(RankedVocabulary vocabulary, const TokenizerLimits& limits) {
  Stages stages;
  stages.pieces = make_pieces(vocabulary);
  stages.model = make_model(vocabulary);
  stages.pre_tokenizer = make_pre_tokenizer(vocabulary);
  stages.pre_tokenizer.keep_bytes();
  stages.decoder.add_byte_level();
  stages.added = AddedTokens(std::move(vocabulary.control), Normalizer());
  if (vocabulary.composes) {
    std::vector<std::unique_ptr<NormalizerStep>> steps;
    steps.push_back(make_normal_form(NormalForm::kNfc));
    stages.normalizer = Normalizer(std::move(steps));
  }
  stages.text_bytes = std::min<std::size_t>(limits.text_bytes, std::numeric_limits<std::int32_t>::max());
  return make_tokenizer(std::move(stages));
}

}  // namespace weft::tokenizer
