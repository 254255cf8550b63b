#include "src/tokenizer/word_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace weft::tokenizer {
namespace {

Token find(const WordTable& table, std::string_view word) {
  const ShortWord bytes = ShortWord::of(word, 0, word.size());
  return table.find(bytes, word.size(), bytes.hash());
}

TEST(WordTable, FindsWordsByAllOfTheirBytes) {
  using namespace std::string_literals;
  const std::vector<std::string> words{"a"s, "a\0"s, "a\0\0"s, "\0"s, " the"s, "twelve bytes"s};
  std::vector<PieceTrie::Entry> entries;
  for (const std::string& word : words) entries.push_back({word, static_cast<std::uint32_t>(entries.size()) + 7});
  const WordTable table(entries);
  for (std::size_t i = 0; i < words.size(); ++i) EXPECT_EQ(find(table, words[i]), static_cast<Token>(i) + 7) << words[i];
  for (const std::string& other : {"b"s, ""s, "\0\0"s, " th"s, "the"s, "twelve byte"s, "twelve bytes!"s}) EXPECT_EQ(find(table, other), -1) << other;
}

TEST(WordTable, KeepsMostOfManyWordsTheFirstOnesAboveAll) {
  std::mt19937 random(1);
  std::set<std::string> words;
  while (words.size() < 20'000) {
    std::string word(1 + random() % WordTable::kLongest, '\0');
    for (char& c : word) c = static_cast<char>(random());
    words.insert(word);
  }
  std::vector<std::string> shuffled(words.begin(), words.end());
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  std::vector<PieceTrie::Entry> entries;
  for (const std::string& word : shuffled) entries.push_back({word, static_cast<std::uint32_t>(entries.size())});
  const WordTable table(entries);
  std::size_t kept[2] = {};
  for (const auto& [word, id] : entries) {
    const Token found = find(table, word);
    EXPECT_TRUE(found == -1 || found == static_cast<Token>(id)) << id;
    kept[id < entries.size() / 2 ? 0 : 1] += found >= 0;
  }
  EXPECT_GT(kept[0], entries.size() * 49 / 100);
  EXPECT_GT(kept[1], entries.size() * 42 / 100);
}

TEST(WordTable, TakesTheLastOfSeveralForOnePiece) {
  const WordTable table({{"one", 1}, {"two", 2}, {"one", 3}});
  EXPECT_EQ(find(table, "one"), 3);
  EXPECT_EQ(find(table, "two"), 2);
}

TEST(WordTable, LeavesOutWhatIsTooLong) {
  const WordTable table({{"thirteen byte", 1}, {"", 2}, {"short", 3}});
  EXPECT_EQ(find(table, "thirteen byt"), -1);
  EXPECT_EQ(find(table, "short"), 3);
}

TEST(ShortWord, IsTheSameWhereverItStands) {
  const std::string text = "xxhello worldyyyyyyyyyyyyyyyy";
  EXPECT_EQ(ShortWord::of(text, 2, 5), ShortWord::of("hello", 0, 5));
  EXPECT_EQ(ShortWord::of(text, text.size() - 16, 16), ShortWord::of(std::string(16, 'y'), 0, 16));
  EXPECT_EQ(ShortWord::of(text, text.size() - 3, 3), ShortWord::of("yyy", 0, 3));
  EXPECT_EQ(ShortWord::of(text, 0, 0), ShortWord());
}

}  // namespace
}  // namespace weft::tokenizer
