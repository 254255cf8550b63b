#include "src/tokenizer/piece_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::tokenizer {
namespace {

using Found = std::vector<std::pair<std::uint32_t, std::size_t>>;

Found walk(const PieceTrie& trie, std::string_view text, std::size_t pos) {
  Found found;
  trie.walk(text, pos, [&](std::uint32_t value, std::size_t end) { found.emplace_back(value, end); });
  return found;
}

TEST(PieceTrie, FindsAllPiecesAtAPlaceShortestFirst) {
  const PieceTrie trie({{"abc", 3}, {"a", 1}, {"ab", 2}, {"b", 4}});
  EXPECT_EQ(walk(trie, "xabcd", 1), (Found{{1, 2}, {2, 3}, {3, 4}}));
  EXPECT_EQ(walk(trie, "xab", 1), (Found{{1, 2}, {2, 3}}));
  EXPECT_EQ(walk(trie, "x", 0), Found{});
  EXPECT_EQ(walk(trie, "", 0), Found{});
}

TEST(PieceTrie, KnowsBytesOfAllValuesNulIncluded) {
  const std::string nul("\0", 1), both("\0\xFF", 2);
  const PieceTrie trie({{nul, 0}, {both, 1}, {"\xFF", 2}});
  EXPECT_EQ(walk(trie, both, 0), (Found{{0, 1}, {1, 2}}));
  EXPECT_EQ(trie.find("\xFF"), 2u);
  EXPECT_TRUE(trie.may_start_with('\0'));
  EXPECT_FALSE(trie.may_start_with('a'));
}

TEST(PieceTrie, TakesTheLastOfSeveralForOnePiece) {
  EXPECT_EQ(PieceTrie({{"a", 1}, {"b", 5}, {"a", 2}}).find("a"), 2u);
}

TEST(PieceTrie, FindsNothingWhenEmpty) {
  EXPECT_EQ(PieceTrie().find("a"), PieceTrie::kValues);
  EXPECT_EQ(PieceTrie(std::vector<PieceTrie::Entry>()).find("a"), PieceTrie::kValues);
}

TEST(PieceTrie, FindsWhatAMapFinds) {
  std::mt19937 random(1);
  for (const unsigned letters : {1u, 2u, 5u, 256u}) {
    std::map<std::string, std::uint32_t> pieces;
    const auto make = [&](std::size_t most) {
      std::string text(1 + random() % most, ' ');
      for (char& c : text) c = static_cast<char>(random() % letters);
      return text;
    };
    while (pieces.size() < (letters == 1 ? 30 : 3000)) pieces.emplace(make(letters == 1 ? 40 : 12), pieces.size());
    std::vector<PieceTrie::Entry> entries;
    for (const auto& [piece, value] : pieces) entries.push_back({piece, value});
    const PieceTrie trie(entries);
    for (const auto& [piece, value] : pieces) EXPECT_EQ(trie.find(piece), value);
    for (int i = 0; i < 2000; ++i) {
      const std::string text = make(20);
      Found expected;
      for (std::size_t end = 1; end <= text.size(); ++end) {
        const auto found = pieces.find(text.substr(0, end));
        if (found != pieces.end()) expected.emplace_back(found->second, end);
      }
      EXPECT_EQ(walk(trie, text, 0), expected);
    }
  }
}

}  // namespace
}  // namespace weft::tokenizer
