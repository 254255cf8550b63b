#include "word_piece.h"

#include <algorithm>
#include <utility>

#include "weft/error.h"

namespace weft::tokenizer {

WordPiece::WordPiece(std::vector<PieceTrie::Entry> first, std::vector<PieceTrie::Entry> continuing,
                     const Options& options)
    : first_(std::move(first)), continuing_(std::move(continuing)), options_(options) {}

std::unique_ptr<Model::Encoder> WordPiece::start() const { return std::make_unique<WordByWord<WordPiece>>(*this); }

void WordPiece::encode(std::string_view word, std::vector<Token>& ids, std::vector<Range>* places) const {
  const std::size_t before = ids.size(), placed = places != nullptr ? places->size() : 0;
  bool fits = word.size() <= options_.max_characters ||
              static_cast<std::size_t>(std::count_if(word.begin(), word.end(), [](char c) {
                return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
              })) <= options_.max_characters;
  for (std::size_t pos = 0; fits && pos < word.size();) {
    const PieceTrie::Longest piece = (pos == 0 ? first_ : continuing_).longest(word, pos);
    fits = piece.value != PieceTrie::kValues;
    if (!fits) break;
    ids.push_back(static_cast<Token>(piece.value));
    if (places != nullptr) places->push_back({pos, piece.end});
    pos = piece.end;
  }
  if (fits) return;
  if (options_.unknown < 0) {
    throw Error(ErrorCode::kUnsupported, "a word is in no pieces, and the model has no unknown token", "text",
                "use a tokenizer with an unknown token");
  }
  ids.resize(before);
  ids.push_back(options_.unknown);
  if (places == nullptr) return;
  places->resize(placed);
  places->push_back({0, word.size()});
}

}  // namespace weft::tokenizer
