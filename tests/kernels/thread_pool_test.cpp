#include "weft/kernels/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>

namespace weft::kernels {
namespace {

TEST(ThreadPool, CoversEveryIndexOnceForAnyNumberOfThreads) {
  for (const std::size_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const std::size_t n : {0, 1, 2, 7, 100, 4097}) {
      std::vector<std::atomic<int>> count(n);
      pool.parallel_for()(n, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) count[i].fetch_add(1);
      });
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(count[i], 1) << i << " of " << n << ", " << threads << " threads";
    }
  }
}

TEST(ThreadPool, ManyShortCallsInARowSeeEachOthersResults) {
  ThreadPool pool(4);  // more than the cores of a small machine: workers get set aside in the middle
  std::vector<long> values(64, 0);
  for (long call = 0; call < 20000; ++call) {
    pool.parallel_for()(values.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) ASSERT_EQ(values[i]++, call);
    });
  }
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0L), 64 * 20000L);
}

TEST(ThreadPool, PassesOnWhatABodyThrowsAndGoesOnWorking) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.parallel_for()(100, [](std::size_t begin, std::size_t) { if (begin >= 50) throw std::runtime_error("piece"); }),
               std::runtime_error);
  std::atomic<std::size_t> done{0};
  pool.parallel_for()(100, [&](std::size_t begin, std::size_t end) { done += end - begin; });
  EXPECT_EQ(done, 100u);
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than workers look for work
    std::atomic<std::size_t> done{0};
    pool.parallel_for()(16, [&](std::size_t begin, std::size_t end) { done += end - begin; });
    ASSERT_EQ(done, 16u);
  }
}

}  // namespace
}  // namespace weft::kernels
