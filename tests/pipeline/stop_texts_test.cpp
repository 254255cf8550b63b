#include "src/pipeline/stop_texts.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "weft/error.h"

namespace {

using weft::StopTexts;

struct Shown {
  std::string text;
  bool stopped;
  bool operator==(const Shown&) const = default;
};
void PrintTo(const Shown& shown, std::ostream* out) { *out << shown.text << (shown.stopped ? " [stop]" : ""); }

Shown show(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopTexts filter(stops);
  Shown shown{};
  for (const auto& piece : pieces) shown.text += filter.push(piece);
  shown.text += filter.finish();
  shown.stopped = filter.found();
  return shown;
}

TEST(StopTexts, EndTheTextBeforeThem) {
  EXPECT_EQ(show({"\nUser:"}, {"Paris.\nUser: and", " more"}), (Shown{"Paris.", true}));
  EXPECT_EQ(show({"xyz"}, {"Paris."}), (Shown{"Paris.", false}));
  EXPECT_EQ(show({}, {"Paris."}), (Shown{"Paris.", false}));
}

TEST(StopTexts, AreFoundAcrossPieces) {
  EXPECT_EQ(show({"END"}, {"a", "E", "N", "D", "b"}), (Shown{"a", true}));
  EXPECT_EQ(show({"END"}, {"aEN", "", "Db"}), (Shown{"a", true}));
}

TEST(StopTexts, HoldBackOnlyWhatMayBecomeOne) {
  StopTexts filter(std::vector<std::string>{"END"});
  EXPECT_EQ(filter.push("aE"), "a");
  EXPECT_EQ(filter.push("N"), "");
  EXPECT_EQ(filter.push("Eb"), "ENEb");
  EXPECT_EQ(filter.push("EN"), "");
  EXPECT_EQ(filter.finish(), "EN");
}

TEST(StopTexts, HoldBackAnOverlappingBeginning) {
  EXPECT_EQ(show({"aab"}, {"aa", "ab"}), (Shown{"a", true}));
  EXPECT_EQ(show({"abcabd"}, {"abcabc", "abd"}), (Shown{"abc", true}));
}

TEST(StopTexts, EndAtTheFirstThatIsComplete) {
  EXPECT_EQ(show({"abcd", "bc"}, {"xabcd"}), (Shown{"xa", true}));
  EXPECT_EQ(show({"c", "abc"}, {"xabcd"}), (Shown{"x", true}));
}

TEST(StopTexts, GiveTheSameWhateverThePieces) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += static_cast<char>('a' + random() % 2);
    std::vector<std::string> stops;
    for (unsigned i = 0; i < 1 + random() % 2; ++i) stops.push_back(text.substr(random() % 20, 2 + random() % 7));
    if (random() % 2) stops.push_back("abababab");
    std::size_t at = std::string::npos, end = std::string::npos;  // of the stop text that is complete first
    for (const auto& stop : stops) {
      const std::size_t found = text.find(stop);
      if (found == std::string::npos) continue;
      if (end == std::string::npos || found + stop.size() < end || (found + stop.size() == end && found < at)) {
        at = found;
        end = found + stop.size();
      }
    }
    std::vector<std::string> pieces;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t n = 1 + random() % 5;
      pieces.push_back(text.substr(i, n));
      i += n;
    }
    ASSERT_EQ(show(stops, pieces), (Shown{text.substr(0, at), at != std::string::npos}))
        << text << " until " << testing::PrintToString(stops);
  }
}

TEST(StopTexts, RejectTextsThatCannotBeMeant) {
  const auto error_of = [](std::vector<std::string> stops) -> std::string {
    try {
      StopTexts filter(stops);
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), weft::ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of({"a", ""}), "stop text 2: it is empty\nfix: leave it out");
  EXPECT_EQ(error_of({"\x80"}), "stop text 1: it begins in the middle of a character\nfix: pass UTF-8");
}

}  // namespace
