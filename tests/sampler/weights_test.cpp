// The arithmetic below the samplers.
#include "src/sampler/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "src/sampler/random.h"

namespace {

using namespace weft::sampling;

float exp2_of_float(float y) { return exp2_of<float, std::int32_t>(y); }

TEST(Exp2, IsWithinTwoTenMillionths) {
  double worst = 0;
  for (double y = -124; y <= 0; y += 0.00037) {
    const auto x = static_cast<float>(y);
    worst = std::max(worst, std::fabs(exp2_of_float(x) / std::exp2(static_cast<double>(x)) - 1));
  }
  EXPECT_LT(worst, 2e-7);
}

TEST(Exp2, IsExactAtZeroAndNothingWhereFloatsEnd) {
  EXPECT_EQ(exp2_of_float(0.0f), 1.0f);
  EXPECT_EQ(exp2_of_float(-1.0f), 0.5f);
  EXPECT_GT(exp2_of_float(-124.0f), 0.0f);
  EXPECT_EQ(exp2_of_float(-124.5f), 0.0f);
  EXPECT_EQ(exp2_of_float(-std::numeric_limits<float>::infinity()), 0.0f);
}

TEST(Weigh, SumsUpTheSameBitsAsTheWrittenOrder) {
  std::mt19937 random(4);
  for (const std::size_t n : {1, 15, 16, 127, 128, 129, 1000}) {
    std::vector<float> logits(n);
    for (float& logit : logits) logit = static_cast<float>(random()) / 0x1p32f * -20;
    logits[n / 2] = 0;
    const Softmax softmax = Softmax::at(0.0f, 0.9f);
    std::vector<float> sums;
    const double total = weigh(logits, softmax, sums);

    double expected = 0;
    for (std::size_t block = 0; block < n; block += kBlock) {
      float lanes[16] = {};
      for (std::size_t i = block; i < std::min(n, block + kBlock); ++i) lanes[i % 16] += softmax.weight(logits[i]);
      float sum = 0;
      for (const float lane : lanes) sum += lane;
      EXPECT_EQ(sums[block / kBlock], sum) << n << " entries, block " << block / kBlock;
      expected += static_cast<double>(sum);
    }
    EXPECT_EQ(total, expected) << n;
  }
}

TEST(Pick, NeverTakesAnEntryWithoutWeight) {
  std::vector<float> logits(300, -std::numeric_limits<float>::infinity());
  logits[3] = logits[140] = 0;
  const Softmax softmax = Softmax::at(0.0f, 1.0f);
  std::vector<float> sums;
  const double total = weigh(logits, softmax, sums);
  EXPECT_EQ(pick(logits, softmax, sums, total, 0.0), 3u);
  EXPECT_EQ(pick(logits, softmax, sums, total, 0.5), 140u);
  EXPECT_EQ(pick(logits, softmax, sums, total, std::nextafter(1.0, 0.0)), 140u);
  EXPECT_EQ(pick(logits, softmax, sums, total, 1.0), 140u) << "as if rounding had led past the end";
}

TEST(SplitMix64, GivesThePublishedNumbers) {
  // The reference implementation's (prng.di.unimi.it/splitmix64.c), seed 1234567.
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
  EXPECT_EQ(random.next(), 4593380528125082431u);
  EXPECT_EQ(random.next(), 16408922859458223821u);
}

}  // namespace
