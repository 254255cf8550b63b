// What the tokenizers other than tokenizer.json's share: control tokens are found in the raw text, and what lies between
// two of them is encoded by itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "piece_table.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

class StretchTokenizer : public Tokenizer {
 public:
  [[nodiscard]] std::vector<Token> encode(std::span<const TextPart> parts) const final;
  [[nodiscard]] std::string decode(std::span<const Token> tokens, Specials specials) const final;
  [[nodiscard]] std::size_t vocab_size() const noexcept final { return vocabulary_.pieces.size(); }
  [[nodiscard]] std::string piece(Token token) const final;
  [[nodiscard]] std::optional<Token> find(std::string_view piece) const final;
  [[nodiscard]] bool is_special(Token token) const final;

 protected:
  struct Vocabulary {
    PieceTable pieces;           ///< As piece() and find() give them.
    std::vector<bool> special;   ///< By id.
    AddedTokens added;           ///< Found in the raw text; control tokens only where they are trusted.
  };
  StretchTokenizer(Vocabulary vocabulary, const TokenizerLimits& limits);

  /// Appends the ids of `text`, which is well-formed, has no control tokens and isn't empty.
  virtual void encode_stretch(std::string_view text, std::vector<Token>& out) const = 0;
  /// The text of valid ids; need not be well-formed.
  [[nodiscard]] virtual std::string decode_tokens(std::span<const Token> tokens, Specials specials) const = 0;

  [[nodiscard]] std::string_view piece_of(Token token) const { return vocabulary_.pieces[token]; }
  [[nodiscard]] bool special(Token token) const { return vocabulary_.special[static_cast<std::size_t>(token)]; }

 private:
  void check(Token token) const;

  Vocabulary vocabulary_;
  std::size_t text_bytes_;
};

/// A control token of a format that gives it a content and nothing else.
[[nodiscard]] AddedToken control_token(Token id, std::string_view content);

}  // namespace weft::tokenizer
