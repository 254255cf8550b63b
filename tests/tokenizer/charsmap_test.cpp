#include "src/tokenizer/charsmap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace weft::tokenizer {
namespace {

using Rules = std::map<std::string, std::string>;

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// A map as SentencePiece writes it: one block of 256 units for each prefix of a rule, the root's children in block 1.
std::string map_of(const Rules& rules) {
  std::map<std::string, std::uint32_t> blocks{{"", 1}};
  for (const auto& [rule, replacement] : rules) {
    for (std::size_t length = 1; length <= rule.size(); ++length) {
      blocks.emplace(rule.substr(0, length), static_cast<std::uint32_t>(blocks.size() + 1));
    }
  }
  std::vector<std::uint32_t> units((blocks.size() + 1) * 256);
  for (std::size_t i = 0; i < units.size(); ++i) units[i] = static_cast<std::uint32_t>((i & 0xFF) ^ 1);  // no label
  units[0] = 256u << 10;
  std::string replacements;
  for (const auto& [prefix, block] : blocks) {
    if (!prefix.empty()) {
      const auto byte = static_cast<unsigned char>(prefix.back());
      const std::uint32_t at = blocks.at(prefix.substr(0, prefix.size() - 1)) * 256 ^ byte;
      units[at] = byte | (at ^ block * 256) << 10 | (rules.contains(prefix) ? 1u << 8 : 0);
    }
    if (!rules.contains(prefix)) continue;
    units[block * 256] = 1u << 31 | static_cast<std::uint32_t>(replacements.size());
    replacements += rules.at(prefix) + '\0';
  }
  std::string bytes = little_endian(static_cast<std::uint32_t>(units.size() * 4));
  for (const std::uint32_t unit : units) bytes += little_endian(unit);
  return bytes + replacements;
}

const Rules kRules = {{"A", "a"}, {"e\u0301", "é"}, {"ﬁ", "fi"}, {"ﬁx", "fix!"}, {"\x01", ""}, {"xy", "z"}};

TEST(Charsmap, FindsTheLongestRule) {
  const Charsmap map(map_of(kRules));
  const auto find = [&](std::string_view text) {
    const Charsmap::Match match = map.longest(text, 0);
    return std::pair(match.length, std::string(match.replacement));
  };
  EXPECT_EQ(find("AA"), std::pair(std::size_t{1}, std::string("a")));
  EXPECT_EQ(find("e\u0301"), std::pair(std::size_t{3}, std::string("é")));
  EXPECT_EQ(find("ﬁx"), std::pair(std::size_t{4}, std::string("fix!")));
  EXPECT_EQ(find("\x01"), std::pair(std::size_t{1}, std::string()));
  EXPECT_EQ(find("e"), std::pair(std::size_t{0}, std::string()));
  EXPECT_EQ(find(""), std::pair(std::size_t{0}, std::string()));
  EXPECT_EQ(map.longest(std::string_view("\0", 1), 0).length, 0u);
  EXPECT_EQ(map.longest("BA", 1).length, 1u);
}

TEST(Charsmap, MakesAChunkWhatItsShortestRuleSays) {
  const Charsmap map(map_of(kRules));
  EXPECT_EQ(map.shortest("ﬁx"), "fi");  // the "x" is lost, as in Hugging Face's Precompiled
  EXPECT_EQ(map.shortest("\x01"), "");
  EXPECT_EQ(map.shortest("e"), std::nullopt);
  EXPECT_EQ(map.shortest(""), std::nullopt);
}

TEST(Charsmap, SkipsOnlyWhatNoRuleTouches) {
  const Charsmap map(map_of(kRules));
  EXPECT_EQ(map.skip_plain("bcdAb", 0), 3u);
  EXPECT_EQ(map.skip_plain("bxb", 0), 1u);  // "xy" is a rule
  EXPECT_EQ(map.skip_plain("be\u0301", 0), 1u);
  EXPECT_EQ(map.skip_plain("be", 0), 2u);
  EXPECT_EQ(map.skip_plain("be", 2), 2u);
}

TEST(Charsmap, ChangesNothingWithoutRules) {
  const Charsmap map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.longest("A", 0).length, 0u);
  EXPECT_EQ(map.shortest("A"), std::nullopt);
  EXPECT_EQ(map.skip_plain("Ax", 0), 2u);
}

TEST(Charsmap, RefusesEveryPrefix) {
  const std::string bytes = map_of({{"A", "a"}, {"b", "c"}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // Between two replacements, a cut leaves a rule without one.
    EXPECT_THROW(Charsmap(bytes.substr(0, size)), CharsmapError) << size;
  }
  EXPECT_NO_THROW(Charsmap{bytes});
}

TEST(Charsmap, RefusesBrokenParts) {
  const std::string good = map_of({{"A", "a"}});
  const auto with_unit = [&](std::size_t unit, std::uint32_t value) {
    std::string bytes = good;
    bytes.replace(4 + 4 * unit, 4, little_endian(value));
    return bytes;
  };
  EXPECT_THROW(Charsmap(with_unit(0, 0xFFFFFu << 10)), CharsmapError);            // children behind the end
  EXPECT_THROW(Charsmap(with_unit(0, 1u << 31 | 0x1FFFFFu << 10)), CharsmapError);  // the same, of what says that it is a value
  EXPECT_THROW(Charsmap(with_unit(256 + 'A', 'A' | 1u << 8)), CharsmapError);     // no value
  EXPECT_THROW(Charsmap(with_unit(2 * 256, 1u << 31 | 1000)), CharsmapError);     // a replacement behind the end
  EXPECT_THROW(Charsmap(little_endian(0xFFFFFFFC) + "abc"), CharsmapError);       // a size beyond the bytes
  EXPECT_THROW(Charsmap(little_endian(6) + "abcdefghi"), CharsmapError);          // half a unit
  EXPECT_THROW(Charsmap(good.substr(0, good.size() - 2) + "\xFF" + '\0'), CharsmapError);
}

TEST(Charsmap, StaysInsideForRandomDamage) {
  const std::string good = map_of(kRules);
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    try {
      const Charsmap map(bytes);
      for (const auto& [rule, replacement] : kRules) {
        (void)map.longest(rule, 0);
        (void)map.shortest(rule);
      }
    } catch (const CharsmapError&) {
    }
  }
}

}  // namespace
}  // namespace weft::tokenizer
