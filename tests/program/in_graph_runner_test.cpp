#include <gtest/gtest.h>

#include <sstream>

#include "weft/error.h"
#include "weft/program.h"

namespace weft {
namespace {

constexpr std::size_t kVocabulary = 7;
constexpr std::size_t kContext = 32;

// A recurrence: what it has read is one number, which position 0 begins anew and which can't go back.
class Recurrence final : public Program {
 public:
  explicit Recurrence(int* calls_until_failure) : calls_until_failure_(calls_until_failure) {}

  ProgramOutput execute(std::span<const ProgramInput> inputs) override {
    const auto [tokens, positions] = std::pair{inputs[0].data, inputs[1].data};
    if (inputs[0].sizes != std::vector<std::int64_t>{1, 1}) throw Error(ErrorCode::kBackend, "takes one token", "fake");
    state_ = 0.5f * (positions[0] == 0 ? 0.0f : state_) + static_cast<float>(tokens[0] + 1);
    if (*calls_until_failure_ > 0 && --*calls_until_failure_ == 0) throw Error(ErrorCode::kBackend, "broke", "fake");
    logits_.assign(kVocabulary, state_);
    return {logits_.data(), {1, 1, kVocabulary}};
  }
  [[nodiscard]] const kernels::ParallelFor& parallel_for() const override { return kernels::ForwardScope::current_parallel_for(); }

 private:
  int* calls_until_failure_;
  float state_ = 1000;
  std::vector<float> logits_;
};

class RecurrentRunner : public testing::Test {
 protected:
  void SetUp() override {
    ProgramInfo info;
    info.contract = Contract::kInGraph;
    info.vocab_size = kVocabulary;
    info.max_context = kContext;
    info.max_tokens = 1;
    info.recurrent = true;
    runner_ = make_runner([this] { return std::make_unique<Recurrence>(&calls_until_failure_); }, info, {}, "fake");
  }

  float forward(Cache& cache, std::vector<Token> tokens) {
    Logits logits;
    const Step step{cache, tokens};
    runner_->forward({&step, 1}, logits);
    return logits.row(0)[0];
  }
  float fresh(std::vector<Token> tokens) { return forward(*runner_->new_cache(), std::move(tokens)); }

  int calls_until_failure_ = 0;
  std::unique_ptr<Runner> runner_;
};

TEST_F(RecurrentRunner, RewindThenReplayGivesTheSameLogits) {
  auto cache = runner_->new_cache();
  forward(*cache, {1, 2, 3, 4});
  cache->truncate(2);
  EXPECT_EQ(cache->size(), 2u);
  EXPECT_EQ(forward(*cache, {5, 6}), fresh({1, 2, 5, 6}));
  EXPECT_EQ(forward(*cache, {0}), fresh({1, 2, 5, 6, 0}));
}

TEST_F(RecurrentRunner, RewindToTheStartBeginsAnew) {
  auto cache = runner_->new_cache();
  forward(*cache, {1, 2, 3});
  cache->truncate(0);
  EXPECT_EQ(forward(*cache, {4}), fresh({4}));
}

TEST_F(RecurrentRunner, ForkAndSavedCacheGoOnAlike) {
  auto cache = runner_->new_cache();
  forward(*cache, {1, 2, 3});
  cache->truncate(2);
  auto fork = cache->fork();
  std::stringstream saved;
  cache->save(saved);
  auto loaded = runner_->load_cache(saved);
  const float expected = fresh({1, 2, 6});
  EXPECT_EQ(forward(*cache, {6}), expected);
  EXPECT_EQ(forward(*fork, {6}), expected);
  EXPECT_EQ(forward(*loaded, {6}), expected);
}

TEST_F(RecurrentRunner, FailedCallLeavesTheCacheAsItWas) {
  auto cache = runner_->new_cache();
  forward(*cache, {1, 2});
  calls_until_failure_ = 2;
  EXPECT_THROW(forward(*cache, {3, 4, 5}), Error);
  EXPECT_EQ(cache->size(), 2u);
  EXPECT_EQ(forward(*cache, {6}), fresh({1, 2, 6}));
}

}  // namespace
}  // namespace weft
