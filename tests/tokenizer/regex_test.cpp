#include "src/tokenizer/regex.h"

#include <gtest/gtest.h>

#include "src/tokenizer/split_patterns.h"
#include "weft/error.h"

// What the engine matches is held against Oniguruma and tiktoken by test_random_patterns.py. Here: what it refuses, and what it costs.
namespace {

using weft::tokenizer::Range;
using weft::tokenizer::Regex;
using weft::tokenizer::RegexEngine;
using weft::tokenizer::RegexError;

std::vector<std::string> matches(const char* pattern, std::string_view text, RegexEngine engine = RegexEngine::kOniguruma) {
  std::vector<std::string> found;
  for (const Range& match : Regex(pattern, engine).find_all(text)) found.emplace_back(text.substr(match.begin, match.size()));
  return found;
}
using Strings = std::vector<std::string>;

TEST(Regex, FindsTheLeftmostMatchOfTheFirstAlternative) {
  EXPECT_EQ(matches("a|ab|b", "ab abb"), (Strings{"a", "b", "a", "b", "b"}));
  EXPECT_EQ(matches("x*", "axxb"), (Strings{"", "xx", ""}));
  EXPECT_EQ(matches("", "é"), (Strings{"", ""}));
}

TEST(Regex, FindsAgainWhatAGroupHasMatched) {
  EXPECT_EQ(matches(R"(([!-/])\1*|x)", "!!-x--!"), (Strings{"!!", "-", "x", "--", "!"}));
  EXPECT_EQ(matches(R"((\w+) \1)", "ab ab abc abc"), (Strings{"ab ab", "abc abc"}));
  EXPECT_EQ(matches(R"((?<quote>['"]).*?\k<quote>)", "'a\"b' \"c'd\""), (Strings{"'a\"b'", "\"c'd\""}));
  // What a branch that failed had matched is forgotten, also behind bodies that are matched by themselves.
  EXPECT_EQ(matches(R"((?:(a)b|a)\1c)", "abac aac"), (Strings{"abac"}));
  EXPECT_EQ(matches(R"((?:(?>(a))b|a(a))\2)", "aaa"), (Strings{"aaa"}));
  EXPECT_EQ(matches(R"((?=(\w+))\1!)", "ab! cd"), (Strings{"ab!"}));
  EXPECT_EQ(matches(R"((?!(a)b)a\1)", "aa"), Strings{});
}

struct Refused {
  const char* pattern;
  const char* message;
  std::size_t place;
  bool unsupported;
};

TEST(Regex, NamesWhatItRefuses) {
  const Refused cases[] = {
      {"a)", "')' without '('", 1, false},
      {"(a", "'(' without ')'", 2, false},
      {"[a", "'[' without ']'", 2, false},
      {"*a", "a repeat of nothing", 0, false},
      {"[z-a]", "a range that runs backwards", 4, false},
      {"\\p{L", "\\p{ without }", 3, false},
      {"\\x{110000}", "an escape that is no character", 9, false},
      {"\\u12", "\\u needs four digits", 4, false},
      {"\\xg", "an escape without hexadecimal digits", 2, false},
      {"a\\", "ends early", 2, false},
      {"(?#a", "a comment without ')'", 4, false},
      {"\xFF", "ill-formed UTF-8", 0, false},
      {"(a)\\2", "a reference to a group that doesn't end before it", 5, true},
      {"(a\\1)", "a reference to a group that doesn't end before it", 4, true},
      {"\\k<a>", "a reference to a group that doesn't end before it", 5, true},
      {"\\k<a", "a reference to a group that doesn't end before it", 4, true},
      {"(?<a>b)(?<a>c)\\k<a>", "a reference to one of several groups of a name", 17, true},
      {"(?<a>b)(c)\\1", "a reference by number beside groups that have names", 12, true},
      {"(a)\\10", "an escape of several digits", 5, true},
      {"(?i)(a)\\1", "a reference to a group without regard to case", 9, true},
      {"((a?)b)\\2*", "a repeat without end of what may match nothing", 10, true},
      {"(*FAIL)", "a callout", 1, true},
      {"(?~a)", "this kind of group", 2, true},
      {"\\p{Emoji}", "the property \\p{Emoji}", 3, true},
      {"[[:graph:]]", "the class [:graph:]", 1, true},
      {"(?:a?)*", "a repeat without end of what may match nothing", 7, true},
      {"a{1001}", "a repeat of more than 1000", 1, true},
      {"(?<=a{65})b", "a lookbehind of more than 64 characters", 9, true},
      {"(?i)stop", "letters that fold together ('ss', 'st', 'ff', 'fi', 'fl') without regard to case", 5, true},
      {"(?i)é", "letters outside of ASCII without regard to case", 6, true},
      {"(?i)\\p{Lu}", "\\p{Lu} without regard to case", 7, true},
      {"\\xff", "\\x80 to \\xFF, which are bytes", 4, true},
  };
  for (const Refused& refused : cases) {
    try {
      const Regex regex(refused.pattern);
      ADD_FAILURE() << refused.pattern;
    } catch (const RegexError& error) {
      EXPECT_EQ(error.message, refused.message) << refused.pattern;
      EXPECT_EQ(error.place, refused.place) << refused.pattern;
      EXPECT_EQ(error.unsupported, refused.unsupported) << refused.pattern;
    }
  }
}

TEST(Regex, HasTheMeaningOfItsEngine) {
  struct Case {
    const char *pattern, *text;
    Strings to_oniguruma, to_tiktoken;
  };
  const Case cases[] = {
      {"a{1,2}+", "aaa", {"aaa"}, {"aa", "a"}},
      {"a{2}?b", "aabb", {"aab", "b"}, {"aab"}},
      {"^a|b$", "a\nb\na", {"a", "b", "a"}, {"a"}},
      {"(?m:^a)", "b\na", {"a"}, {"a"}},
      {"(?m:.)", "\n", {"\n"}, {}},
      {"\\w+", "a\u00B2\u200Db", {"a\u00B2", "b"}, {"a", "\u200Db"}},
      {"[[:alpha:]]+", "a\u00E9b", {"a\u00E9b"}, {"a", "b"}},
      {"[[:punct:]]", "+\u00BF", {"+", "\u00BF"}, {"+"}},
      {"a(?i)b|C", "aBcC", {"aB"}, {"aB", "c", "C"}},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(matches(one.pattern, one.text), one.to_oniguruma) << one.pattern;
    EXPECT_EQ(matches(one.pattern, one.text, RegexEngine::kTiktoken), one.to_tiktoken) << one.pattern;
  }
  EXPECT_EQ(matches("\\pL(?s).", "a\n", RegexEngine::kTiktoken), (Strings{"a\n"}));
  for (const char* refused : {"a**", "\\Z", "[a-z--[aeiou]]", "[[:alphabetic:]]", "\\p{Alnum}"}) {
    EXPECT_THROW(Regex(refused, RegexEngine::kTiktoken), RegexError) << refused;
  }
}

TEST(Regex, BoundsItsDepthAndSize) {
  for (const char* open : {"(", "[", "(?:", "(?i)"}) {
    std::string pattern;
    for (int i = 0; i < 100'000; ++i) pattern += open;
    EXPECT_THROW(Regex{pattern}, RegexError) << open;
  }
  EXPECT_THROW(Regex{"(?:(?:(?:a{100}){100}){100}){100}"}, RegexError);
}

TEST(Regex, StaysLinearWherePlainBacktrackingExplodes) {
  const std::string as(100'000, 'a');
  EXPECT_EQ(matches("(?:a+)+b", as), Strings{});
  EXPECT_EQ(matches("(?:a|aa)+$", as), Strings{as});
  EXPECT_EQ(matches("(?:a*b)?a*c|a", as).size(), as.size());
  EXPECT_EQ(matches("a(?=a*b)", as + "b").size(), as.size());
  EXPECT_EQ(matches("\\d{1,3}(?=(?:\\d{3})*\\b)", std::string(99'999, '1')).size(), 33'333u);
  EXPECT_EQ(matches("\\s+(?!\\S)|\\s+$|x", std::string(100'000, ' ') + "x").size(), 2u);
}

TEST(Regex, GivesUpWhereNothingKeepsItLinear) {
  // From each letter on, all letters to the end of the text are taken, for nothing.
  const std::string text(200'000, 'a');
  try {
    (void)Regex("a++b").find_all(text);
    FAIL();
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), weft::ErrorCode::kTooLarge);
    EXPECT_STREQ(error.what(),
                 "the tokenizer's regular expression takes too long on this text\n"
                 "fix: shorten the text, or split it before encoding");
  }
}

TEST(Regex, GivesUpWhereReferencesExplode) {
  EXPECT_EQ(matches("(a)\\1*", std::string(200'000, 'a')).size(), 1u);
  EXPECT_THROW((void)Regex("((?:a|aa)+)\\1b").find_all(std::string(5'000, 'a')), weft::Error);
}

TEST(Regex, KnowsThePatternsThatHaveAScanner) {
  using weft::tokenizer::find_known_pattern;
  EXPECT_TRUE(find_known_pattern(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"));
  EXPECT_FALSE(find_known_pattern(R"(\p{L}+)"));
}

}  // namespace
