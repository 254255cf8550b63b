// What makes ids of words: one of BPE, Unigram, WordPiece, WordLevel.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "compiled.h"
#include "utf8.h"
#include "weft/token.h"

namespace weft::tokenizer {

class Model {
 public:
  virtual ~Model() = default;

  /// What a compiled file begins a model with.
  enum class Kind { kBpe, kUnigram, kWordPiece, kWordLevel, kScoreBpe, kWord, kCharacter, kRwkv };
  friend constexpr Kind last_of(Kind) { return Kind::kRwkv; }
  /// Writes its kind and itself.
  virtual void save(CompiledWriter& writer) const = 0;

  /// Encodes the words of one text after another, and may remember those that it has met.
  class Encoder {
   public:
    virtual ~Encoder() = default;
    /// A text of so many bytes comes.
    virtual void begin(std::size_t /*text_bytes*/) {}
    /// The text is done. Memory that only a long one needs is given back.
    virtual void end() {}
    /// Appends the ids of words of `text`, none empty.
    /// @throws Error{kUnsupported}  a word can't be encoded, and the model has no unknown token.
    virtual void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) = 0;
    /// Appends the ids of one word, and for each the bytes of `word` that it stands for.
    virtual void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) = 0;
  };
  /// @returns an encoder that this model must outlive.
  [[nodiscard]] virtual std::unique_ptr<Encoder> start() const = 0;
};

/// Encodes each word by itself, by a model's
///   void encode(std::string_view word, std::vector<Token>& ids, std::vector<Range>* places) const;  // places may be nullptr
template <typename Kind>
class WordByWord : public Model::Encoder {
 public:
  explicit WordByWord(const Kind& model) : model_(model) {}
  void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) override {
    for (const Range& word : words) model_.encode(text.substr(word.begin, word.size()), ids, nullptr);
  }
  void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) override {
    model_.encode(word, ids, &places);
  }

 private:
  const Kind& model_;
};

/// Reads one kind of model behind its kind.
template <typename Kind>
[[nodiscard]] std::unique_ptr<const Model> read_model_of(CompiledReader& reader, std::size_t pieces) {
  auto model = std::make_unique<Kind>();
  reader(*model);
  reader.demand(model->ids_below(pieces), "has an id beyond its pieces");
  return model;
}

/// Reads what Model::save() wrote.
/// @param pieces  Ids are below this.
/// @throws Error{kCorrupt}
[[nodiscard]] std::unique_ptr<const Model> read_model(CompiledReader& reader, std::size_t pieces);

}  // namespace weft::tokenizer
