#include "bpe_alphabet.h"

#include <algorithm>
#include <utility>

#include "byte_level.h"
#include "json.h"
#include "utf8.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

[[noreturn]] void refuse_unknown(std::string_view character) {
  throw Error(ErrorCode::kUnsupported, quoted(character) + " is not in the vocabulary, and neither is the model's unknown token", "text",
              "add the unk_token to model.vocab, or use a tokenizer that has it");
}

}  // namespace

std::array<Token, 256> BpeAlphabet::Table::empty_page() {
  std::array<Token, 256> page;
  page.fill(-1);
  return page;
}

void BpeAlphabet::Table::set(char32_t c, Token id) {
  std::uint16_t& page = index_[c >> 8];
  if (page == 0) {
    page = static_cast<std::uint16_t>(pages_.size());
    pages_.push_back(empty_page());
  }
  pages_.at(page)[c & 255] = id;
}

bool BpeAlphabet::Table::ids_below(std::size_t limit) const {
  const auto below = [&](Token id) { return id < static_cast<std::int64_t>(limit); };
  return std::all_of(pages_.begin(), pages_.end(),
                     [&](const auto& page) { return std::all_of(page.begin(), page.end(), below); });
}

bool BpeAlphabet::ids_below(std::size_t limit) const {
  const auto below = [&](const auto& ids) {
    return std::all_of(ids.begin(), ids.end(), [&](Token id) { return id < static_cast<std::int64_t>(limit); });
  };
  if (bytes_) {
    for (const auto& first : *bytes_) {
      for (const auto& last : first) {
        if (!below(last)) return false;
      }
    }
  }
  return options_.unknown < static_cast<std::int64_t>(limit) && (!fallback_ || below(*fallback_)) &&
         std::all_of(characters_.begin(), characters_.end(), [&](const Table& table) { return table.ids_below(limit); });
}

BpeAlphabet BpeAlphabet::of_bytes(const PieceTable& vocabulary, Options options) {
  BpeAlphabet result;
  result.complete_ = true;
  ByteIds& ids = result.bytes_.emplace();
  for (const bool first : {false, true}) {
    for (const bool last : {false, true}) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string piece = first ? std::string() : options.prefix;
        append_utf8(piece, kByteToChar[byte]);
        if (last) piece += options.suffix;
        ids[first][last][byte] = vocabulary.find(piece);
        result.complete_ = result.complete_ && ids[first][last][byte] >= 0;
      }
    }
  }
  result.options_ = std::move(options);
  return result;
}

BpeAlphabet BpeAlphabet::of_characters(const PieceTable& vocabulary, Options options, bool fallback) {
  BpeAlphabet result;
  result.options_ = std::move(options);
  const std::string& prefix = result.options_.prefix;
  const std::string& suffix = result.options_.suffix;
  result.characters_.resize(result.has_affixes() ? 4 : 1);
  for (std::size_t place = 0; place < result.characters_.size(); ++place) {
    const std::string_view before = (place & 2) != 0 ? std::string_view() : prefix;
    const std::string_view behind = (place & 1) != 0 ? suffix : std::string_view();
    for (Token id = 0; id < static_cast<Token>(vocabulary.size()); ++id) {
      if (!vocabulary.has(id)) continue;
      std::string_view piece = vocabulary[id];
      if (piece.size() <= before.size() + behind.size() || !piece.starts_with(before) || !piece.ends_with(behind)) {
        continue;
      }
      piece = piece.substr(before.size(), piece.size() - before.size() - behind.size());
      const CodePoint c = decode_at(piece, 0);
      if (c.length == piece.size()) result.characters_[place].set(c.value, id);
    }
  }
  if (fallback) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    FallbackIds& ids = result.fallback_.emplace();
    for (std::size_t byte = 0; byte < 256; ++byte) {
      ids[byte] = vocabulary.find({std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + '>'});
    }
  }
  return result;
}

void BpeAlphabet::start(std::string_view word, std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths) const {
  if (!bytes_) return start_characters(word, symbols, lengths);
  const Token unknown = leaves_gaps() ? kGap : options_.unknown;
  bool after_unknown = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const Token id = (*bytes_)[i == 0][i + 1 == word.size()][static_cast<unsigned char>(word[i])];
    const bool fused = id < 0 && after_unknown && options_.fuse_unknown;
    after_unknown = id < 0;
    if (fused) {
      if (lengths != nullptr && options_.unknown >= 0) ++lengths->back();
    } else if (id >= 0 || unknown >= 0 || unknown == kGap) {
      symbols.push_back(id >= 0 ? id : unknown);
      if (lengths != nullptr) lengths->push_back(1);
    }
  }
}

// What Hugging Face does (models/bpe/model.rs, merge_word), its order of things included: an unknown character waits for
// the next one with an id of its own, so that bytes between the two come before it.
bool BpeAlphabet::stands_alone() const {
  if (has_affixes()) return false;
  if (bytes_) return complete_;
  return options_.unknown >= 0 ||
         (fallback_ && std::all_of(fallback_->begin(), fallback_->end(), [](Token id) { return id >= 0; }));
}

bool BpeAlphabet::is_symbol(Token id, std::string_view piece) const {
  if (piece.empty()) return false;
  if (bytes_) return piece.size() == 1 && (*bytes_)[0][0][static_cast<unsigned char>(piece[0])] == id;
  const CodePoint c = decode_at(piece, 0);
  return c.length == piece.size() && characters_[0][c.value] == id;
}

bool BpeAlphabet::is_substitute(Token id) const {
  if (bytes_) return false;  // stands_alone(): no byte is unknown
  if (id == options_.unknown) return true;
  return fallback_ && std::find(fallback_->begin(), fallback_->end(), id) != fallback_->end();
}

void BpeAlphabet::start_characters(std::string_view word, std::vector<Token>& symbols,
                                   std::vector<std::uint32_t>* lengths) const {
  const auto put = [&](Token id, std::uint32_t length) {
    symbols.push_back(id);
    if (lengths != nullptr) lengths->push_back(length);
  };
  std::uint32_t waiting = 0;  // bytes of unknown characters
  const auto put_waiting = [&] {
    if (waiting != 0) put(options_.unknown, waiting);
    waiting = 0;
  };
  const bool affixes = has_affixes();
  std::string spelled;
  for (std::size_t pos = 0; pos < word.size();) {
    const CodePoint c = decode_at(word, pos);
    const bool first = pos == 0, last = pos + c.length == word.size();
    const Token id = characters_[affixes ? 2 * first + last : 0][c.value];
    if (id >= 0) {
      put_waiting();
      put(id, c.length);
      pos += c.length;
      continue;
    }
    std::string_view text = word.substr(pos, c.length);
    pos += c.length;
    if (fallback_) {
      if (affixes) {
        spelled.assign(first ? std::string() : options_.prefix).append(text);
        if (last) spelled += options_.suffix;
        text = spelled;
      }
      const auto id_of = [&](char byte) { return (*fallback_)[static_cast<unsigned char>(byte)]; };
      if (std::all_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) >= 0; })) {
        for (const char byte : text) put(id_of(byte), 1);
        continue;
      }
    }
    if (options_.unknown == kMissing) refuse_unknown(word.substr(pos - c.length, c.length));
    if (options_.unknown < 0) continue;
    if (!options_.fuse_unknown) put_waiting();
    waiting += c.length;
  }
  put_waiting();
}

}  // namespace weft::tokenizer
