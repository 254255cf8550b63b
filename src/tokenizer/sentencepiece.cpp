#include "sentencepiece.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "score_bpe.h"
#include "sentencepiece_model.h"
#include "sentencepiece_normalizer.h"
#include "stretch_tokenizer.h"
#include "unigram.h"
#include "utf8.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

using Type = SentencePieceModel::Type;
using Kind = SentencePieceModel::Kind;

constexpr std::string_view kSpace = "\u2581";
constexpr float kUnknownPenalty = 10;

// Whether texts may become the piece.
bool is_text(Type type) { return type == Type::kNormal || type == Type::kUserDefined || type == Type::kUnused; }

std::vector<std::string_view> user_defined(const SentencePieceModel& model) {
  std::vector<std::string_view> pieces;
  for (const auto& piece : model.pieces) {
    if (piece.type == Type::kUserDefined) pieces.push_back(piece.text);
  }
  return pieces;
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
  if (model.byte_fallback) {
    options.bytes.emplace();
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
      if (model.pieces[id].type != Type::kByte) continue;
      (*options.bytes)[static_cast<std::size_t>(byte_of_piece(model.pieces[id].text))] = static_cast<Token>(id);
    }
  }
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

class SentencePieceTokenizer : public StretchTokenizer {
 public:
  SentencePieceTokenizer(SentencePieceModel model, std::string_view name, const TokenizerLimits& limits)
      : StretchTokenizer(vocabulary_of(model), limits),
        kind_(model.kind),
        unknown_(model.unknown),
        byte_fallback_(model.byte_fallback),
        strips_first_space_(model.normalizer.add_dummy_prefix || model.normalizer.remove_extra_whitespaces),
        strips_all_spaces_(model.normalizer.remove_extra_whitespaces),
        unknown_surface_(model.unknown_surface),
        normalizer_(std::move(model.normalizer), model.treat_whitespace_as_suffix, user_defined(model)) {
    std::vector<PieceTrie::Entry> starts, words;
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
      const auto& piece = model.pieces[id];
      types_.push_back(piece.type);
      if (piece.type == Type::kByte) {
        bytes_[static_cast<std::size_t>(byte_of_piece(piece.text))] = static_cast<Token>(id);
      }
      if (piece.type == Type::kUserDefined) starts.push_back({piece.text, static_cast<std::uint32_t>(id)});
      if (piece.type == Type::kUserDefined || piece.type == Type::kNormal) {
        words.push_back({piece.text, static_cast<std::uint32_t>(id)});
      }
    }
    if (kind_ == Kind::kUnigram) unigram_.emplace(make_unigram(model));
    if (kind_ == Kind::kBpe) bpe_.emplace(make_bpe(model, name));
    if (kind_ == Kind::kChar || kind_ == Kind::kWord) words_ = PieceTrie(std::move(words));
    if (kind_ == Kind::kChar) user_defined_ = PieceTrie(std::move(starts));
    if (model.has_denormalizer) {
      denormalizer_.emplace(std::move(model.denormalizer), false, std::vector<std::string_view>());
    }
  }

 private:
  static Vocabulary vocabulary_of(const SentencePieceModel& model) {
    Vocabulary vocabulary;
    vocabulary.pieces.resize(model.pieces.size());
    vocabulary.pieces.reserve(model.pieces.size());
    vocabulary.special.resize(model.pieces.size());
    std::vector<AddedToken> control;
    // A control symbol comes before a piece of the same text.
    for (const bool text : {false, true}) {
      for (std::size_t i = 0; i < model.pieces.size(); ++i) {
        const auto id = static_cast<Token>(i);
        const auto& piece = model.pieces[i];
        if (is_text(piece.type) != text) continue;
        vocabulary.pieces.set(id, piece.text);
        vocabulary.pieces.index(id);
        vocabulary.special[i] = piece.type == Type::kControl;
        if (piece.type == Type::kControl) control.push_back(control_token(id, piece.text));
      }
    }
    vocabulary.added = AddedTokens(std::move(control), Normalizer(std::nullopt));
    return vocabulary;
  }

  void encode_stretch(std::string_view text, std::vector<Token>& out) const override {
    const std::string normalized = normalizer_.apply(text);
    if (normalized.empty()) return;
    switch (kind_) {
      case Kind::kUnigram: Unigram::Encoder(*unigram_).encode(normalized, out); break;
      case Kind::kBpe: encode_bpe(normalized, out); break;
      case Kind::kWord: encode_words(normalized, out); break;
      case Kind::kChar: encode_characters(normalized, out); break;
    }
  }

  void encode_bpe(std::string_view text, std::vector<Token>& out) const {
    std::vector<ScoreBpe::Symbol> symbols;
    ScoreBpe::Encoder(*bpe_, text.size()).encode(text, symbols);
    Emitter emitter{*this, text, out};
    for (const ScoreBpe::Symbol& symbol : symbols) emitter.put(symbol.id, symbol.length);
  }

  // Each word is a piece or unknown. Words start at U+2581, even for models that have it at their end.
  void encode_words(std::string_view text, std::vector<Token>& out) const {
    Emitter emitter{*this, text, out};
    for (std::size_t pos = 0; pos < text.size();) {
      const std::size_t end = std::min(text.find(kSpace, pos + 1), text.size());
      emitter.put(known(text.substr(pos, end - pos)), end - pos);
      pos = end;
    }
  }

  void encode_characters(std::string_view text, std::vector<Token>& out) const {
    Emitter emitter{*this, text, out};
    for (std::size_t pos = 0; pos < text.size();) {
      const auto found = user_defined_.longest(text, pos);
      const std::size_t end = found.end != pos ? found.end : pos + decode_at(text, pos).length;
      emitter.put(known(text.substr(pos, end - pos)), end - pos);
      pos = end;
    }
  }

  // The id of a piece that a text may become, or -1.
  [[nodiscard]] Token known(std::string_view piece) const {
    const std::uint32_t id = words_.find(piece);
    return id == PieceTrie::kValues ? -1 : static_cast<Token>(id);
  }

  // Puts out the ids of pieces in order: those unknown as bytes, or a run of them as one.
  struct Emitter {
    const SentencePieceTokenizer& tokenizer;
    std::string_view rest;  // the text from the next piece on
    std::vector<Token>& out;
    bool after_unknown = false;

    void put(Token id, std::size_t length) {
      const std::string_view piece = rest.substr(0, length);
      rest.remove_prefix(length);
      const bool unknown = id < 0 || id == tokenizer.unknown_;
      if (!unknown) {
        out.push_back(id);
      } else if (tokenizer.byte_fallback_) {
        for (const char byte : piece) out.push_back(tokenizer.bytes_[static_cast<unsigned char>(byte)]);
      } else if (!after_unknown) {
        out.push_back(tokenizer.unknown_);
      }
      after_unknown = unknown;
    }
  };

  [[nodiscard]] std::string decode_tokens(std::span<const Token> tokens, Specials specials) const override;

  Kind kind_;
  Token unknown_;
  bool byte_fallback_, strips_first_space_, strips_all_spaces_;
  std::string unknown_surface_;
  SentencePieceNormalizer normalizer_;
  std::optional<SentencePieceNormalizer> denormalizer_;
  std::vector<Type> types_;
  std::array<Token, 256> bytes_{};
  std::optional<Unigram> unigram_;
  std::optional<ScoreBpe> bpe_;
  PieceTrie user_defined_, words_;  // of models of characters and of words
};

std::string SentencePieceTokenizer::decode_tokens(std::span<const Token> tokens, Specials specials) const {
  std::string text, bytes;
  std::size_t start = 0;  // where the text since the last spelled-out control token starts
  bool space_stripped = false;
  const auto flush_bytes = [&] {
    // One U+FFFD for each byte that is no part of a character: not for each ill-formed subsequence.
    for (std::size_t pos = 0; pos < bytes.size();) {
      const Utf8Step step = step_utf8(std::string_view(bytes).substr(pos));
      if (step.well_formed) {
        text.append(bytes, pos, step.length);
      } else {
        for (unsigned i = 0; i < step.length; ++i) text += "\uFFFD";
      }
      pos += step.length;
    }
    bytes.clear();
  };
  bool at_start = true;
  for (const Token token : tokens) {
    const Type type = types_[static_cast<std::size_t>(token)];
    std::string_view piece = piece_of(token);
    if (type == Type::kByte) {
      bytes += static_cast<char>(byte_of_piece(piece));
      continue;
    }
    flush_bytes();
    if (space_stripped || text.size() != start) at_start = false;
    space_stripped = false;
    if (type == Type::kControl) {
      if (specials == Specials::kAsText) continue;
      text += piece;  // what follows was encoded by itself: its first blank may be the dummy prefix
      start = text.size();
      at_start = true;
      continue;
    }
    if (type == Type::kUnknown) {
      text += unknown_surface_;
      continue;
    }
    if (at_start && strips_first_space_ && piece.starts_with(kSpace)) {
      piece.remove_prefix(kSpace.size());
      space_stripped = !strips_all_spaces_;
    }
    for (std::size_t pos = 0; pos < piece.size();) {
      const std::size_t space = std::min(piece.find(kSpace, pos), piece.size());
      text += piece.substr(pos, space - pos);
      if (space < piece.size()) text += ' ';
      pos = space + kSpace.size();
    }
  }
  flush_bytes();
  if (!denormalizer_) return text;
  return denormalizer_->apply(valid_utf8_prefix(text) == text.size() ? text : repair_utf8(text));
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_sentencepiece(std::string_view bytes, std::string_view name,
                                                     const TokenizerLimits& limits) {
  return std::make_unique<SentencePieceTokenizer>(parse_sentencepiece_model(bytes, name, limits), name, limits);
}

}  // namespace weft::tokenizer
