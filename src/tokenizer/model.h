// What makes ids of words: one of BPE, Unigram, WordPiece, WordLevel.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "utf8.h"
#include "weft/token.h"

namespace weft::tokenizer {

class Model {
 public:
  virtual ~Model() = default;

  /// Encodes the words of one text, and may remember those that it has met.
  class Encoder {
   public:
    virtual ~Encoder() = default;
    /// Appends the ids of words of `text`, none empty.
    /// @throws Error{kUnsupported}  a word can't be encoded, and the model has no unknown token.
    virtual void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) = 0;
    /// Appends the ids of one word, and for each the bytes of `word` that it stands for.
    virtual void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) = 0;
  };
  /// @param text_bytes  About how much will come.
  /// @returns an encoder that this model must outlive.
  [[nodiscard]] virtual std::unique_ptr<Encoder> start(std::size_t text_bytes) const = 0;
};

}  // namespace weft::tokenizer
