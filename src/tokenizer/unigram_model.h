// Unigram as one of the models that a tokenizer may have.
#pragma once

#include <memory>
#include <utility>

#include "model.h"
#include "unigram.h"

namespace weft::tokenizer {

class UnigramModel : public Model {
 public:
  explicit UnigramModel(Unigram unigram) : unigram_(std::move(unigram)) {}

  /// For a reader of compiled files.
  UnigramModel() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.unigram_);
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const { return unigram_.ids_below(limit); }
  void save(CompiledWriter& writer) const override { writer(Kind::kUnigram, *this); }

  [[nodiscard]] std::unique_ptr<Model::Encoder> start() const override {
    return std::make_unique<Encoder>(unigram_);
  }

 private:
  class Encoder : public Model::Encoder {
   public:
    explicit Encoder(const Unigram& unigram) : encoder_(unigram) {}
    void begin(std::size_t text_bytes) override { encoder_.begin(text_bytes); }
    void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) override {
      for (const Range& word : words) encoder_.encode(text.substr(word.begin, word.size()), ids);
    }
    void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) override {
      encoder_.encode(word, ids, &places);
    }

   private:
    Unigram::Encoder encoder_;
  };

  Unigram unigram_;
};

}  // namespace weft::tokenizer
