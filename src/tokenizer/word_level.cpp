#include "word_level.h"

#include "weft/error.h"

namespace weft::tokenizer {

class WordLevel::Encoder : public Model::Encoder {
 public:
  explicit Encoder(const WordLevel& model) : model_(model) {}
  void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) override {
    for (const Range& word : words) ids.push_back(model_.find(text.substr(word.begin, word.size())));
  }
  void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) override {
    ids.push_back(model_.find(word));
    places.push_back({0, word.size()});
  }

 private:
  const WordLevel& model_;
};

std::unique_ptr<Model::Encoder> WordLevel::start() const { return std::make_unique<Encoder>(*this); }

Token WordLevel::find(std::string_view word) const {
  const Token id = words_.find(word);
  if (id >= 0) return id;
  if (unknown_ >= 0) return unknown_;
  throw Error(ErrorCode::kUnsupported, "a word is not in the vocabulary, and the model has no unknown token", "text",
              "use a tokenizer with an unknown token");
}

}  // namespace weft::tokenizer
