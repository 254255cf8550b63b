#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "weft/sampler.h"

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> logits(n);
  for (float& logit : logits) logit = static_cast<float>(random() % 1000) / 100 - 5;  // with ties
  return logits;
}

TEST(GreedySampler, TakesTheFirstOfTheLargestWhateverTheSize) {
  const auto sampler = weft::make_sampler();
  for (std::size_t n = 1; n < 700; n += n < 300 ? 1 : 37) {
    const auto logits = random_logits(n, static_cast<unsigned>(n));
    const auto first = std::max_element(logits.begin(), logits.end()) - logits.begin();
    ASSERT_EQ(sampler->sample(logits), first) << n;
  }
}

TEST(GreedySampler, TakesTheLowerOfTwoEqualIds) {
  std::vector<float> logits(400, 1.0f);
  logits[300] = logits[150] = 2.0f;
  EXPECT_EQ(weft::make_sampler()->sample(logits), 150);
  EXPECT_EQ(weft::make_sampler()->sample(std::vector<float>{-0.0f, 0.0f}), 0);
}

TEST(GreedySampler, NeverTakesAForbiddenToken) {
  std::vector<float> logits(300, -kInfinity);
  logits[299] = -1e30f;
  EXPECT_EQ(weft::make_sampler()->sample(logits), 299);
}

TEST(GreedySampler, HeedsPenaltiesAndBiases) {
  const std::vector<float> logits{1.0f, 3.0f, 2.5f};
  const auto penalised = weft::make_sampler({.presence_penalty = 1.0f});
  EXPECT_EQ(penalised->sample(logits), 1);
  penalised->accept(1);
  EXPECT_EQ(penalised->sample(logits), 2);
  penalised->reset();
  EXPECT_EQ(penalised->sample(logits), 1);
  EXPECT_EQ(weft::make_sampler({.logit_bias = {{1, -kInfinity}}})->sample(logits), 2);
}

TEST(GreedySampler, IsNotChangedByOptionsThatDropTheUnlikely) {
  const auto logits = random_logits(500, 3);
  const auto best = weft::make_sampler()->sample(logits);
  EXPECT_EQ(weft::make_sampler({.top_k = 5, .top_p = 0.5f, .min_p = 0.1f})->sample(logits), best);
}

TEST(Sampler, ForgetsTokensThatLeaveThePenaltyWindow) {
  const std::vector<float> logits{3.0f, 2.0f, 1.0f, 0.0f};
  const auto sampler = weft::make_sampler({.frequency_penalty = 2.0f, .penalty_window = 2});
  sampler->accept(0);
  sampler->accept(0);
  EXPECT_EQ(sampler->sample(logits), 1);  // -1 2 1 0
  sampler->accept(1);
  EXPECT_EQ(sampler->sample(logits), 0);  // 1 0 1 0: one of the two 0s has left
  sampler->accept(2);
  EXPECT_EQ(sampler->sample(logits), 0);  // 3 0 -1 0
}

TEST(Sampler, IgnoresSeenTokensThatTheLogitsDoNotHave) {
  const auto sampler = weft::make_sampler({.presence_penalty = 1.0f});
  sampler->accept(1000);
  EXPECT_EQ(sampler->sample(std::vector<float>{1.0f, 2.0f}), 1);
}

TEST(Sampler, LeavesTheLogitsUnchanged) {
  const auto logits = random_logits(300, 1);
  auto copy = logits;
  const auto sampler = weft::make_sampler({.temperature = 0.7f,
                                           .top_k = 10,
                                           .top_p = 0.9f,
                                           .repetition_penalty = 1.2f,
                                           .logit_bias = {{3, 1.0f}},
                                           .seed = 1});
  sampler->accept(4);
  (void)sampler->sample(copy);
  EXPECT_EQ(copy, logits);
}

}  // namespace
