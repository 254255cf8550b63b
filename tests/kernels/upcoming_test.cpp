#include "kernels/upcoming.h"

#include <gtest/gtest.h>

#include <vector>

#include "weft/kernels/thread_pool.h"

namespace weft::kernels {
namespace {

constexpr std::size_t kLine = AskAhead::kLine;

Upcoming matrix(const std::vector<std::uint8_t>& memory, std::size_t item_bytes = 256, std::size_t halves = 1) {
  return {memory.data(), memory.size() / item_bytes / halves, item_bytes, halves};
}

// The offsets that a worker asks for, until there are none left.
std::vector<std::size_t> asked(const Upcoming& next, std::size_t thread, std::size_t threads) {
  AskAhead ahead;
  ahead.begin(next, thread, threads);
  std::vector<std::size_t> offsets;
  while (ahead.some([&](const std::uint8_t* line) { offsets.push_back(static_cast<std::size_t>(line - next.data)); })) {
  }
  return offsets;
}

TEST(UpcomingOrder, KnowsWhatFollowedTheLastTime) {
  const std::vector<std::uint8_t> a(1024), b(2048), c(512);
  UpcomingOrder order;
  EXPECT_EQ(order.follow(matrix(a)).data, nullptr);
  EXPECT_EQ(order.follow(matrix(b)).data, nullptr);
  EXPECT_EQ(order.follow(matrix(c)).data, nullptr);
  EXPECT_EQ(order.follow(matrix(a)).data, b.data());
  const Upcoming after_b = order.follow(matrix(b));
  EXPECT_EQ(after_b.data, c.data());
  EXPECT_EQ(after_b.n, 2u);
  EXPECT_EQ(after_b.item_bytes, 256u);
  // Another model's turn, then this one's again.
  EXPECT_EQ(order.follow(matrix(a)).data, b.data());
  EXPECT_EQ(order.follow(matrix(b)).data, a.data());
}

TEST(AskAhead, AsksForItsOwnPartThenForItsShareOfTheCallers) {
  const std::vector<std::uint8_t> memory(12 * 256);
  std::vector<std::size_t> expected;
  for (std::size_t at = 8 * 256; at < 12 * 256; at += kLine) expected.push_back(at);  // the last of three parts
  for (std::size_t at = 2 * 256; at < 4 * 256; at += kLine) expected.push_back(at);   // the second half of the first
  EXPECT_EQ(asked(matrix(memory), 2, 3), expected);
}

TEST(AskAhead, TakesTurnsBetweenHalvesThatAreReadTogether) {
  const std::vector<std::uint8_t> memory(8 * 1024);
  const auto offsets = asked(matrix(memory, 1024, 2), 1, 2);
  ASSERT_EQ(offsets.size(), memory.size() / kLine);
  EXPECT_EQ((std::vector(offsets.begin(), offsets.begin() + 9)), (std::vector<std::size_t>{2048, 2112, 2176, 2240, 6144, 6208, 6272, 6336, 2304}));
}

TEST(AskAhead, LeavesRoomInTheCache) {
  const std::vector<std::uint8_t> memory(std::size_t{4} << 20);
  for (const std::size_t halves : {1, 2}) {
    EXPECT_EQ(asked(matrix(memory, 4096, halves), 1, 2).size(), (AskAhead::kOwnBytes + AskAhead::kCallersBytes) / kLine);
  }
}

TEST(AskAhead, HasNothingToAskForWhereNothingIsKnownOrAllWasDropped) {
  EXPECT_TRUE(asked({}, 1, 2).empty());
  const std::vector<std::uint8_t> memory(4096);
  AskAhead ahead;
  ahead.begin(matrix(memory), 1, 2);
  ahead.drop();
  EXPECT_FALSE(ahead.some([](const std::uint8_t*) { FAIL(); }));
}

TEST(ThreadPool, CallsThatSayWhatIsReadNextDoAllTheirWork) {
  ThreadPool pool(3);
  const std::vector<std::uint8_t> memory(1 << 16);
  std::vector<long> values(64, 0);
  for (long call = 0; call < 2000; ++call) {
    const auto body = [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) ASSERT_EQ(values[i]++, call);
    };
    const Upcoming next = matrix(memory, 64 << (call % 5), 1 + call % 2);
    pool.parallel_for()(values.size(), call % 3 == 0 ? RangeBody(body) : RangeBody(body).then_read(next));
  }
}

}  // namespace
}  // namespace weft::kernels
