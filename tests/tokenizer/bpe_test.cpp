// Matching tokens gives what merging them would, whatever the merges are.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tiny_file.h"

namespace weft::testing {
namespace {

struct Vocabulary {
  std::vector<std::string> pieces;  // by id; the first 256 are the bytes
  std::vector<std::pair<std::string, std::string>> merges;
};

/// Merges of random pieces of `letters`, in random order: halves may come after their wholes, one piece in several ways.
Vocabulary random_vocabulary(std::mt19937& random, std::string_view letters, std::size_t merges) {
  Vocabulary result;
  std::vector<std::string> pool;
  for (int byte = 0; byte < 256; ++byte) result.pieces.emplace_back(1, static_cast<char>(byte));
  for (const char letter : letters) pool.emplace_back(1, letter);
  while (result.merges.size() < merges) {
    const std::string &left = pool[random() % pool.size()], &right = pool[random() % pool.size()];
    std::pair<std::string, std::string> merge{left, right};
    const std::string whole = left + right;
    if (whole.size() > 9 || std::find(result.merges.begin(), result.merges.end(), merge) != result.merges.end()) continue;
    result.merges.push_back(merge);
    if (std::find(pool.begin(), pool.end(), whole) != pool.end()) continue;
    pool.push_back(whole);
    result.pieces.push_back(whole);
  }
  // Few orders differ so much from training's that hardly a piece is ever made.
  for (std::size_t swaps = random() % 8; swaps > 0; --swaps) {
    std::swap(result.merges[random() % merges], result.merges[random() % merges]);
  }
  return result;
}

std::unique_ptr<const Tokenizer> tokenizer_of(const Vocabulary& vocabulary) {
  nlohmann::json file = tiny_file();
  file["added_tokens"] = nlohmann::json::array();
  file["pre_tokenizer"]["use_regex"] = false;
  nlohmann::json& model = file["model"];
  model["vocab"] = nlohmann::json::object();
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    model["vocab"][tokenizer::to_byte_level(vocabulary.pieces[id])] = id;
  }
  model["merges"] = nlohmann::json::array();
  for (const auto& [left, right] : vocabulary.merges) model["merges"].push_back(left + " " + right);
  return parse(file);
}

/// The definition: the lowest rank first, of several the leftmost.
std::vector<std::string> merge(const Vocabulary& vocabulary, const std::string& word) {
  std::map<std::pair<std::string, std::string>, std::size_t> ranks;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) ranks[vocabulary.merges[rank]] = rank;
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  for (;;) {
    std::size_t lowest = ranks.size(), at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && found->second < lowest) lowest = found->second, at = i;
    }
    if (lowest == ranks.size()) return symbols;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Bpe, GivesWhatMergingGivesForRandomMergesInRandomOrder) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const std::string_view letters = std::string_view("abcd").substr(0, 1 + random() % 4);
    const Vocabulary vocabulary = random_vocabulary(random, letters, letters.size() == 1 ? 6 : 12 + random() % 20);
    const auto tokenizer = tokenizer_of(vocabulary);
    for (int i = 0; i < 40; ++i) {
      std::string word;
      for (std::size_t n = 1 + random() % 60; n > 0; --n) word += letters[random() % letters.size()];
      std::vector<Token> expected;
      for (const std::string& piece : merge(vocabulary, word)) expected.push_back(tokenizer->find(piece).value());
      ASSERT_EQ(tokenizer->encode(word, Specials::kAsText), expected) << "round " << round << ": " << word;
    }
  }
}

// Anything much worse than linear would take minutes.
TEST(Bpe, EncodesLongRunsWithoutGrowingSlow) {
  std::mt19937 random(2);
  const Vocabulary vocabulary = random_vocabulary(random, "ab", 30);
  const auto tokenizer = tokenizer_of(vocabulary);
  for (const std::string unit : {"a", "ab", "aab", "b", "aaab", "\xF0\x9F\x98\x80"}) {
    std::string text;
    while (text.size() < 300'000) text += unit;
    const std::vector<Token> ids = tokenizer->encode(text, Specials::kAsText);
    EXPECT_LE(ids.size(), text.size());
    EXPECT_EQ(tokenizer->decode(ids, Specials::kAsText), text) << unit;
  }
}

}  // namespace
}  // namespace weft::testing
