#include "src/tokenizer/spares.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace weft::tokenizer {
namespace {

struct Counted {
  explicit Counted(std::atomic<int>& counter) : alive(counter) { ++alive; }
  ~Counted() { --alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::atomic<int>& alive;
  std::atomic<bool> in_use{false};
};

TEST(Spares, GiveBackWhatWasLeft) {
  std::atomic<int> alive{0};
  Spares<Counted> spares;
  EXPECT_EQ(spares.take(), nullptr);
  auto object = std::make_unique<Counted>(alive);
  const Counted* const address = object.get();
  spares.leave(std::move(object));
  object = spares.take();
  EXPECT_EQ(object.get(), address);
  EXPECT_EQ(spares.take(), nullptr);
}

TEST(Spares, KeepABoundedNumberAndFreeAll) {
  std::atomic<int> alive{0};
  {
    Spares<Counted> spares;
    for (int i = 0; i < 1000; ++i) spares.leave(std::make_unique<Counted>(alive));
    EXPECT_GE(alive, 1);
    EXPECT_LE(alive, 64);
    std::set<std::unique_ptr<Counted>> taken;
    const int kept = alive;
    while (auto object = spares.take()) taken.insert(std::move(object));
    EXPECT_EQ(static_cast<int>(taken.size()), kept);
    spares.leave(std::make_unique<Counted>(alive));
  }
  EXPECT_EQ(alive, 0);
}

TEST(Spares, GiveNoObjectToTwoThreadsAtOnce) {
  std::atomic<int> alive{0}, twice{0};
  constexpr int kThreads = 8;
  {
    Spares<Counted> spares;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 5000; ++j) {
          auto object = spares.take();
          if (object == nullptr) object = std::make_unique<Counted>(alive);
          if (object->in_use.exchange(true)) ++twice;
          if (j % 64 == 0) std::this_thread::yield();
          object->in_use = false;
          spares.leave(std::move(object));
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(twice, 0);
  }
  EXPECT_EQ(alive, 0);
}

TEST(GiveBack, KeepsSmallStorageOnly) {
  std::vector<int> small(100), large(1 << 20);
  give_back(small);
  give_back(large);
  EXPECT_GE(small.capacity(), 100u);
  EXPECT_EQ(large.capacity(), 0u);
}

}  // namespace
}  // namespace weft::tokenizer
