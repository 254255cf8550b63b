#include "src/tokenizer/split_patterns.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

// The scanners give what the engine gives for the same pattern; test_hf_equality.py and its neighbours hold both against others.
namespace weft::tokenizer {
namespace {

constexpr const char* kPatterns[] = {
    // GPT-2, as a file and as tiktoken have it.
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)",
    // Llama 3, tiktoken's cl100k_base, Qwen 2, and llama.cpp's forms of them.
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    // o200k_base, and Mistral's tekken.
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
};

// What stands next to each other decides where words end: all of it often, in no order, and runs longer than the 16 bytes that are looked at together.
std::string random_text(std::mt19937& random) {
  static const std::string kParts[] = {
      "a", "word", "words", "Word", "WORD", "camelCase", " a", " the", " The", "  ", " ", "   ", "\t", "\n", "\r\n", "\n\n", "1", "23", "4567",
      "'", "'s", "'S", "'ll", "'LL", "'re", "'x", "n't", ".", ",", "!?", " (", "/", "//", "_", "-", "é", "É", "ß", "ſ", "'ſ", "Ω", "ω", "中文",
      "ǅ", "ʰ", "\u0301", "٣", "Ⅷ", "½", "\u0085", "\u00A0", "\u3000", "\u2028", "👍", "\u200D", std::string(1, '\0'), "\x7F", "@", "[", "`", "{", ":",
      std::string(31, 'x'), std::string(61, 'y'), std::string(64, 'z'), " " + std::string(63, 'q'), std::string(130, 'Z'), std::string(67, ' ')};
  std::string text;
  const std::size_t parts = std::uniform_int_distribution<std::size_t>(0, 24)(random);
  for (std::size_t i = 0; i < parts; ++i) {
    text += kParts[std::uniform_int_distribution<std::size_t>(0, std::size(kParts) - 1)(random)];
  }
  return text;
}

std::vector<std::string_view> pieces(std::string_view text, const std::vector<Range>& words) {
  std::vector<std::string_view> found;
  for (const Range& word : words) found.push_back(text.substr(word.begin, word.size()));
  return found;
}

class SplitPattern : public testing::TestWithParam<const char*> {};

TEST_P(SplitPattern, ScansAsTheEngineMatches) {
  const auto pattern = find_known_pattern(GetParam());
  ASSERT_TRUE(pattern);
  const Regex engine(GetParam());
  std::mt19937 random(7);
  for (int i = 0; i < 4000; ++i) {
    const std::string text = random_text(random);
    std::vector<Range> words;
    ASSERT_EQ(scan(*pattern, text, {0, text.size()}, words), text.size());
    ASSERT_EQ(pieces(text, words), pieces(text, engine.find_all(text))) << testing::PrintToString(text);
  }
}

TEST_P(SplitPattern, StopsAndGoesOnAfterAnyWord) {
  const auto pattern = find_known_pattern(GetParam());
  std::mt19937 random(8);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(random);
    std::vector<Range> all, some;
    (void)scan(*pattern, text, {0, text.size()}, all);
    for (std::size_t pos = 0; pos < text.size();) {
      const std::size_t most = std::uniform_int_distribution<std::size_t>(1, 5)(random), before = some.size();
      pos = scan(*pattern, text, {pos, text.size()}, some, most);
      ASSERT_LE(some.size() - before, most);
    }
    ASSERT_EQ(pieces(text, some), pieces(text, all)) << testing::PrintToString(text);
  }
}

INSTANTIATE_TEST_SUITE_P(Known, SplitPattern, testing::ValuesIn(kPatterns));

}  // namespace
}  // namespace weft::tokenizer
