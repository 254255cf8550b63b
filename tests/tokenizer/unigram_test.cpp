#include "src/tokenizer/unigram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "weft/error.h"

namespace weft::tokenizer {
namespace {

using Ids = std::vector<Token>;
using Ranges = std::vector<std::pair<std::size_t, std::size_t>>;

// Ids are the places in the list; 0 is the unknown token.
Unigram make(const std::vector<std::pair<std::string, double>>& pieces, Unigram::Options options = {}) {
  std::vector<Unigram::Piece> list;
  double lowest = 0;
  for (const auto& [text, score] : pieces) {
    list.push_back({text, static_cast<Token>(list.size()), score});
    lowest = std::min(lowest, score);
  }
  options.unknown = 0;
  options.unknown_score = lowest - 10;
  return Unigram(list, options);
}

Ids encode(const Unigram& unigram, std::string_view text, Ranges* ranges = nullptr) {
  Unigram::Encoder encoder(unigram);
  Ids ids;
  std::vector<Range> places;
  encoder.encode(text, ids, ranges == nullptr ? nullptr : &places);
  for (const Range& place : places) ranges->emplace_back(place.begin, place.end);
  return ids;
}

// The example in the documentation of tokenizers::models::unigram::Unigram.
const std::vector<std::pair<std::string, double>> kLetters = {{"<unk>", 0}, {"a", 0},   {"b", 0},   {"c", 0},    {"d", 0},
                                                              {"cd", 1},    {"ab", 2}, {"abc", 5}, {"abcd", 10}};

TEST(Unigram, TakesTheBestSum) {
  const Unigram unigram = make(kLetters);
  Ranges ranges;
  EXPECT_EQ(encode(unigram, "abcdacdxx", &ranges), (Ids{8, 1, 5, 0}));
  EXPECT_EQ(ranges, (Ranges{{0, 4}, {4, 5}, {5, 7}, {7, 9}}));
  EXPECT_EQ(encode(unigram, ""), Ids{});
}

TEST(Unigram, TakesTheFirstFoundOfEqualSums) {
  // "ab" then "c" reaches the end first from "a"; "a" + "bc" comes later with the same sum.
  EXPECT_EQ(encode(make({{"<unk>", 0}, {"a", -1}, {"b", -1}, {"c", -1}, {"ab", -1}, {"bc", -1}}), "abc"), (Ids{1, 5}));
  EXPECT_EQ(encode(make({{"<unk>", 0}, {"a", -1}, {"b", -1}, {"ab", -2}}), "ab"), (Ids{3}));
}

TEST(Unigram, JoinsUnknownCharactersToOneToken) {
  const Unigram unigram = make(kLetters);
  Ranges ranges;
  EXPECT_EQ(encode(unigram, "字é😀a字", &ranges), (Ids{0, 1, 0}));
  EXPECT_EQ(ranges, (Ranges{{0, 9}, {9, 10}, {10, 13}}));
}

TEST(Unigram, SpellsUnknownCharactersInBytesIfAllOfThemHaveAnId) {
  Unigram::Options options;
  options.bytes.emplace();
  options.bytes->fill(-1);
  (*options.bytes)[0xC3] = 100, (*options.bytes)[0xA9] = 101;
  const Unigram unigram = make(kLetters, options);
  Ranges ranges;
  EXPECT_EQ(encode(unigram, "aéb", &ranges), (Ids{1, 100, 101, 2}));
  EXPECT_EQ(ranges, (Ranges{{0, 1}, {1, 3}, {1, 3}, {3, 4}}));
  EXPECT_EQ(encode(unigram, "aé字"), (Ids{1, 0}));
}

TEST(Unigram, FindsARunOfUnknownCharactersInTheVocabularyOnlyIfAsked) {
  std::vector<std::pair<std::string, double>> pieces = {{"<unk>", 0}, {"xy", 30}};  // worse than 2 * (30 - 10)
  std::vector<Unigram::Piece> list = {{"<unk>", 0, 0}, {"xy", 1, 30}};
  Unigram::Options options;
  options.unknown = 0;
  options.unknown_score = 20;
  EXPECT_EQ(encode(Unigram(list, options), "xy"), Ids{0});
  options.unknown_runs_may_be_pieces = true;
  EXPECT_EQ(encode(Unigram(list, options), "xy"), Ids{1});
}

TEST(Unigram, RefusesAnUnknownCharacterWithoutAnUnknownToken) {
  const Unigram unigram({{"a", 0, 0.0}}, {});
  EXPECT_EQ(encode(unigram, "aa"), (Ids{0, 0}));
  EXPECT_THROW((void)encode(unigram, "ab"), Error);
}

TEST(Unigram, RemembersWordsOfLongTexts) {
  const Unigram unigram = make(kLetters);
  Unigram::Encoder encoder(unigram);
  encoder.begin(1 << 20);
  for (int i = 0; i < 3; ++i) {
    Ids ids;
    encoder.encode("abcdacd", ids);
    EXPECT_EQ(ids, (Ids{8, 1, 5}));
    encoder.encode("x", ids);
    EXPECT_EQ(ids, (Ids{8, 1, 5, 0}));
  }
}

// The plain way: all places of the text in one table, no settling on the way.
template <typename Score>
Ids slow_encode(const std::map<std::string, std::pair<Token, double>>& pieces, double unknown_score, const std::string& text) {
  struct Node {
    Score score = 0;
    std::size_t start = 0;
    Token id = -1;
    bool set = false;
  };
  std::vector<Node> best(text.size() + 1);
  for (std::size_t start = 0; start < text.size(); ++start) {
    const auto offer = [&](std::size_t end, Token id, Score sum) {
      Node& node = best[end];
      if (!node.set || sum > node.score) node = {sum, start, id, true};
    };
    if (std::is_same_v<Score, float> && std::abs(best[start].score) > 100000) {
      const Score excess = best[start].score;
      for (std::size_t at = start; at <= text.size(); ++at) best[at].score -= excess;
    }
    const Score here = best[start].score;
    bool single = false;
    for (std::size_t length = 1; length <= 8 && start + length <= text.size(); ++length) {
      const auto found = pieces.find(text.substr(start, length));
      if (found == pieces.end()) continue;
      single = single || length == 1;
      offer(start + length, found->second.first, static_cast<Score>(found->second.second) + here);
    }
    if (!single) offer(start + 1, 0, static_cast<Score>(unknown_score) + here);
  }
  Ids ids;
  for (std::size_t end = text.size(); end > 0; end = best[end].start) {
    if (best[end].id != 0 || ids.empty() || ids.back() != 0) ids.push_back(best[end].id);
  }
  return {ids.rbegin(), ids.rend()};
}

template <typename Score>
void compare_with_slow(Unigram::Sums sums) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::map<std::string, std::pair<Token, double>> pieces;
    std::vector<Unigram::Piece> list;
    for (int i = 0; i < 60; ++i) {
      std::string text(1 + random() % 6, ' ');
      for (char& c : text) c = static_cast<char>('a' + random() % 4);
      // Few different scores: many sums are equal, or differ by rounding only. Large ones in some rounds.
      const double score = static_cast<float>(-0.1 * (1 + random() % 5) * (round % 4 == 0 ? 3000 : 1));
      if (text != "d") pieces.emplace(text, std::pair(static_cast<Token>(pieces.size() + 1), score));
    }
    for (const auto& [text, value] : pieces) list.push_back({text, value.first, value.second});
    Unigram::Options options;
    options.sums = sums;
    options.unknown = 0;
    options.unknown_score = static_cast<float>(-10.5);
    const Unigram unigram(list, options);
    for (const std::size_t size : {1, 3, 10, 100, 5000}) {
      std::string text(size, ' ');
      for (char& c : text) c = static_cast<char>('a' + random() % 5);
      EXPECT_EQ(encode(unigram, text), slow_encode<Score>(pieces, options.unknown_score, text)) << text;
    }
  }
}

TEST(Unigram, FindsWhatAFullTableFinds) { compare_with_slow<double>(Unigram::Sums::kDouble); }
TEST(Unigram, RoundsSumsAsSentencePieceDoes) { compare_with_slow<float>(Unigram::Sums::kSingle); }

}  // namespace
}  // namespace weft::tokenizer
