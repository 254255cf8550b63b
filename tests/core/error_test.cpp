#include "weft/error.h"

#include <gtest/gtest.h>

namespace {

TEST(Error, JoinsWhereWhatAndFix) {
  const weft::Error error(weft::ErrorCode::kCorrupt, "ends early", "model.pte", "fetch it again");
  EXPECT_STREQ(error.what(), "model.pte: ends early\nfix: fetch it again");
}

TEST(Error, LeavesOutWhatIsEmpty) {
  EXPECT_STREQ(weft::Error(weft::ErrorCode::kIo, "disk full").what(), "disk full");
  EXPECT_STREQ(weft::Error(weft::ErrorCode::kIo, "disk full", "out.pte").what(), "out.pte: disk full");
}

TEST(Error, NamesEveryCode) {
  for (int code = 0; code <= static_cast<int>(weft::ErrorCode::kInternal); ++code) {
    EXPECT_NE(weft::to_string(static_cast<weft::ErrorCode>(code)), "unknown") << code;
  }
}

}  // namespace
