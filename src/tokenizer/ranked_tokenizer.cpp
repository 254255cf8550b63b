#include "ranked_tokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "json.h"
#include "regex.h"
#include "split_patterns.h"
#include "stretch_tokenizer.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kChunk = 4096;  // words

Bpe make_bpe(const RankedVocabulary& vocabulary) {
  try {
    return make_ranked_bpe(vocabulary.tokens);
  } catch (const RankedBpeError& error) {
    throw Error(error.too_large ? ErrorCode::kTooLarge : ErrorCode::kCorrupt, error.message, vocabulary.name,
                "the file is cut short or damaged; fetch it again");
  }
}

class RankedTokenizer : public StretchTokenizer {
 public:
  RankedTokenizer(RankedVocabulary vocabulary, const TokenizerLimits& limits)
      : StretchTokenizer(vocabulary_of(vocabulary), limits), bpe_(make_bpe(vocabulary)) {
    known_ = find_known_pattern(vocabulary.pattern);
    if (known_) return;
    try {
      regex_.emplace(vocabulary.pattern);
    } catch (const RegexError& error) {
      throw Error(error.unsupported ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument,
                  "the pattern " + quoted(vocabulary.pattern) + " is wrong at byte " + std::to_string(error.place) +
                      ": " + error.message,
                  vocabulary.name, "give another pattern, or report the model");
    }
  }

 private:
  static Vocabulary vocabulary_of(const RankedVocabulary& from) {
    Token largest = -1;
    for (const RankedToken& token : from.tokens) largest = std::max(largest, token.id);
    for (const AddedToken& token : from.control) largest = std::max(largest, token.id);
    Vocabulary vocabulary;
    vocabulary.pieces.resize(static_cast<std::size_t>(largest) + 1);
    vocabulary.pieces.reserve(from.tokens.size() + from.control.size());
    vocabulary.special.resize(vocabulary.pieces.size());
    const auto add = [&](Token id, std::string_view piece) {
      if (vocabulary.pieces.has(id)) {
        throw Error(ErrorCode::kCorrupt, "id " + std::to_string(id) + " is that of " + quoted(piece) + " and of " +
                                             quoted(vocabulary.pieces[id]),
                    from.name, "fetch the file again");
      }
      vocabulary.pieces.set(id, piece);
      return vocabulary.pieces.index(id);
    };
    for (const AddedToken& token : from.control) {
      if (!add(token.id, token.content)) {
        throw Error(ErrorCode::kCorrupt, "the control token " + quoted(token.content) + " is there twice", from.name,
                    "fetch the file again");
      }
      vocabulary.special[static_cast<std::size_t>(token.id)] = true;
    }
    for (const RankedToken& token : from.tokens) add(token.id, token.bytes);
    vocabulary.added = AddedTokens(from.control, Normalizer(std::nullopt));
    return vocabulary;
  }

  void encode_stretch(std::string_view text, std::vector<Token>& out) const override {
    Bpe::Encoder encoder(bpe_, text.size(), out);
    std::vector<Range> words;
    if (!known_) {
      words = regex_->find_all(text);
      for (const Range& word : words) {
        if (word.size() != 0) encoder.encode(text.substr(word.begin, word.size()));
      }
      return;
    }
    for (std::size_t done = 0; done < text.size();) {
      words.clear();
      done = scan(*known_, text, {done, text.size()}, words, kChunk);
      for (const Range& word : words) encoder.encode(text.substr(word.begin, word.size()));
    }
  }

  [[nodiscard]] std::string decode_tokens(std::span<const Token> tokens, Specials specials) const override {
    std::string text;
    for (const Token token : tokens) {
      if (specials == Specials::kAsTokens || !special(token)) text += piece_of(token);
    }
    return text;
  }

  Bpe bpe_;
  std::optional<KnownPattern> known_;
  std::optional<Regex> regex_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_ranked_tokenizer(RankedVocabulary vocabulary, const TokenizerLimits& limits) {
  return std::make_unique<RankedTokenizer>(std::move(vocabulary), limits);
}

}  // namespace weft::tokenizer
