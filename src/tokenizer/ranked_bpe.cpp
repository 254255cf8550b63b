#include "ranked_bpe.h"

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <optional>
#include <utility>

#include "bpe_alphabet.h"
#include "byte_level.h"
#include "piece_table.h"
#include "piece_trie.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kMaxTokenBytes = 2048;
constexpr std::size_t kMostWork = std::size_t{1} << 31;  // bytes, squared, of all tokens
constexpr std::uint32_t kNoRank = PieceTrie::kValues;

// Finds the two that a token is made of.
class Splitter {
 public:
  explicit Splitter(const PieceTrie& ranks) : ranks_(ranks) {}

  /// Where `token` is cut, or nothing if its own bytes don't merge to it.
  std::optional<std::size_t> cut(std::string_view token) {
    const std::size_t n = token.size();
    // rank_[i * n + j]: the rank of bytes [i, j + 1)
    rank_.assign(n * n, kNoRank);
    for (std::size_t i = 0; i < n; ++i) {
      ranks_.walk(token, i, [&](std::uint32_t rank, std::size_t end) { rank_[i * n + end - 1] = rank; });
    }
    starts_.resize(n);
    for (std::size_t i = 0; i < n; ++i) starts_[i] = i;
    while (starts_.size() > 2) {
      std::uint32_t lowest = kNoRank;
      std::size_t at = 0;
      for (std::size_t i = 0; i + 1 < starts_.size(); ++i) {
        const std::size_t end = i + 2 < starts_.size() ? starts_[i + 2] : n;
        const std::uint32_t rank = rank_[starts_[i] * n + end - 1];
        if (rank < lowest) lowest = rank, at = i;
      }
      if (lowest == kNoRank) return std::nullopt;
      starts_.erase(starts_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    return starts_[1];
  }

 private:
  const PieceTrie& ranks_;
  std::vector<std::uint32_t> rank_;
  std::vector<std::size_t> starts_;
};

}  // namespace

std::unique_ptr<const Bpe> make_ranked_bpe(const std::vector<RankedToken>& tokens) {
  std::vector<PieceTrie::Entry> entries;
  std::size_t work = 0;
  Token largest = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const RankedToken& token = tokens[i];
    largest = std::max(largest, token.id);
    if (token.bytes.empty()) continue;
    if (token.bytes.size() > kMaxTokenBytes) {
      throw RankedBpeError{"a token has more than " + std::to_string(kMaxTokenBytes) + " bytes", true};
    }
    work += token.bytes.size() * token.bytes.size();
    if (work > kMostWork) throw RankedBpeError{"the tokens are too long for so many", true};
    entries.push_back({token.bytes, static_cast<std::uint32_t>(i)});
  }
  if (tokens.size() >= PieceTrie::kValues) throw RankedBpeError{"has too many tokens", true};
  const PieceTrie ranks(std::move(entries));

  PieceTable letters;  // bytes, as the byte-level alphabet spells them
  letters.resize(static_cast<std::size_t>(largest) + 1);
  std::bitset<256> found;
  PieceTable words;
  words.resize(static_cast<std::size_t>(largest) + 1);
  std::vector<Bpe::Merge> merges;
  merges.reserve(tokens.size());
  Splitter splitter(ranks);
  for (const RankedToken& token : tokens) {
    if (token.bytes.empty()) continue;
    words.set(token.id, token.bytes);
    if (token.bytes.size() == 1) {
      found.set(static_cast<unsigned char>(token.bytes[0]));
      letters.set(token.id, to_byte_level(token.bytes));
      letters.index(token.id);
    } else if (const auto cut = splitter.cut(token.bytes)) {
      const std::string_view bytes = token.bytes;
      const std::uint32_t left = ranks.find(bytes.substr(0, *cut)), right = ranks.find(bytes.substr(*cut));
      if (left != kNoRank && right != kNoRank) merges.push_back({tokens[left].id, tokens[right].id, token.id});
    }
  }
  if (!found.all()) {
    std::size_t missing = 0;
    while (found[missing]) ++missing;
    throw RankedBpeError{"lacks the byte " + std::to_string(missing) + " (and has " + std::to_string(found.count()) +
                         " of 256)"};
  }
  return std::make_unique<Bpe>(std::move(merges), BpeAlphabet::of_bytes(letters, {}), std::move(words), /*whole_words=*/true);
}

}  // namespace weft::tokenizer
