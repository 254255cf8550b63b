// Which tokens stand for the beginning of a conversation's text.
//
// A model's answer is a list of sampled tokens, and not always the one that its text encodes to. When the
// conversation is rendered for the next turn, encoding it anew would then differ from what the cache holds, from
// that answer on. A transcript remembers the text of prompt and answer with the tokens that were in the cache, and
// uses them again if all of this holds, else encodes the text anew:
//   - The new text begins with the remembered one, byte for byte and author for author. A template that rewrites
//     earlier turns (strips their reasoning, their white space) doesn't, and is followed.
//   - A control token that the template wrote comes next. Encoders split there, so that the rest, encoded on its own,
//     gives the same tokens as it does within the whole.
//   - The answer has no control token in it: its text, where the model will meet it again, hasn't either.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "session.h"
#include "weft/token.h"
#include "weft/tokenizer.h"

namespace weft {

class Transcript {
 public:
  /// The tokens of a rendered conversation.
  [[nodiscard]] std::vector<Token> encode(const Prompt& prompt, const Tokenizer& tokenizer) const;

  /// Remembers a prompt with the tokens that encode() gave for it.
  /// @param answer  The text that was made of the sampled tokens; they may go on after it (a stop text).
  /// @param sampled  Without the stop token.
  void remember(const Prompt& prompt, std::span<const Token> prompt_tokens, std::string_view answer,
                std::span<const Token> sampled, const Tokenizer& tokenizer);

  void save(SessionWriter& writer) const;
  [[nodiscard]] static Transcript load(SessionReader& reader);

 private:
  /// The end of an answer: so many bytes of text_ are so many of tokens_.
  struct Mark {
    std::size_t bytes, tokens;
  };

  Prompt text_;  // no part is empty, no two neighbours have one author
  std::vector<Token> tokens_;
  std::vector<Mark> marks_;  // in order
};

}  // namespace weft
