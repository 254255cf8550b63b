#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "weft/sampler.h"

namespace {

using weft::Token;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<Token> draw(weft::Sampler& sampler, const std::vector<float>& logits, int n) {
  std::vector<Token> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(sampler.sample(logits));
  return tokens;
}

std::set<Token> drawn(const weft::SamplingOptions& options, const std::vector<float>& logits, int n = 2000) {
  const auto tokens = draw(*weft::make_sampler(options), logits, n);
  return {tokens.begin(), tokens.end()};
}

TEST(Sampler, DrawsEachOfEquallyLikelyTokensEquallyOften) {
  const std::vector<float> logits(200, 1.5f);
  for (const std::uint64_t seed : {1, 2, 3}) {
    std::map<Token, int> counts;
    for (const Token token : draw(*weft::make_sampler({.temperature = 1.0f, .seed = seed}), logits, 40000)) {
      ++counts[token];
    }
    double chi_square = 0;
    for (Token token = 0; token < 200; ++token) chi_square += std::pow(counts[token] - 200.0, 2) / 200.0;
    EXPECT_LT(chi_square, 199 + 5 * std::sqrt(2.0 * 199)) << "seed " << seed;
    EXPECT_GT(chi_square, 199 - 5 * std::sqrt(2.0 * 199)) << "seed " << seed << ": too even to be random";
  }
}

TEST(Sampler, RepeatsItsTokensAfterReset) {
  const std::vector<float> logits(1000, 0.0f);
  const auto sampler = weft::make_sampler({.temperature = 1.0f});  // a seed of the system's
  const auto first = draw(*sampler, logits, 20);
  EXPECT_NE(draw(*sampler, logits, 20), first);
  sampler->reset();
  EXPECT_EQ(draw(*sampler, logits, 20), first);
}

TEST(Sampler, DrawsItsOwnSeedWhereNoneIsGiven) {
  const std::vector<float> logits(1000, 0.0f);
  EXPECT_NE(draw(*weft::make_sampler({.temperature = 1.0f}), logits, 20),
            draw(*weft::make_sampler({.temperature = 1.0f}), logits, 20));
}

TEST(Sampler, KeepsExactlyTopKTokensAndOfEqualOnesTheLowerIds) {
  std::vector<float> logits(500, 1.0f);
  logits[400] = 1.5f;
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_k = 3, .seed = 1}, logits), (std::set<Token>{0, 1, 400}));
}

TEST(Sampler, KeepsTheSmallestSetThatReachesTopP) {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  const std::vector<float> logits{std::log(2.0f), std::log(8.0f), std::log(2.0f), std::log(4.0f)};
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 0.45f, .seed = 1}, logits), (std::set<Token>{1}));
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 0.7f, .seed = 1}, logits), (std::set<Token>{1, 3}));
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 0.8f, .seed = 1}, logits), (std::set<Token>{0, 1, 3}));
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 0.95f, .seed = 1}, logits), (std::set<Token>{0, 1, 2, 3}));
}

TEST(Sampler, KeepsTheTopPOfALargeFlatVocabulary) {
  const std::vector<float> logits(20000, -3.0f);
  const auto tokens = drawn({.temperature = 1.0f, .top_p = 0.01f, .seed = 1}, logits, 5000);
  EXPECT_EQ(tokens.size(), 200u);
  EXPECT_EQ(*tokens.rbegin(), 199) << "of equally likely tokens the lower ids";
}

TEST(Sampler, KeepsTheLikeliestHoweverSmallTopPIs) {
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 1e-30f, .seed = 1}, {0.0f, 0.1f, 0.0f}), (std::set<Token>{1}));
}

TEST(Sampler, DropsWhatIsBelowMinPOfTheLikeliest) {
  const std::vector<float> logits{std::log(1.0f), std::log(0.5f), std::log(0.11f), std::log(0.09f)};
  EXPECT_EQ(drawn({.temperature = 1.0f, .min_p = 0.1f, .seed = 1}, logits), (std::set<Token>{0, 1, 2}));
  EXPECT_EQ(drawn({.temperature = 1.0f, .min_p = 1e-40f, .seed = 1}, logits), (std::set<Token>{0, 1, 2, 3}));
}

TEST(Sampler, BecomesGreedyAsTheTemperatureGoesToZero) {
  const std::vector<float> logits{20.0f, 20.01f, -kInfinity, -3e38f};
  for (const float temperature : {1e-5f, 1e-30f, 1e-45f}) {
    EXPECT_EQ(drawn({.temperature = temperature, .seed = 1}, logits, 200), (std::set<Token>{1})) << temperature;
    const auto drawn_by_chain = [&] {
      std::vector<std::unique_ptr<weft::SamplerStage>> stages;
      stages.push_back(weft::make_temperature_stage(temperature));
      return draw(*weft::make_sampler_chain(std::move(stages), 1), logits, 20);
    }();
    EXPECT_EQ(drawn_by_chain, std::vector<Token>(20, 1)) << temperature;
  }
}

TEST(Sampler, NeverDrawsAForbiddenToken) {
  std::vector<float> logits(1000, -kInfinity);
  logits[10] = logits[500] = 0.0f;
  const std::set<Token> allowed{10, 500};
  EXPECT_EQ(drawn({.temperature = 1.0f, .seed = 1}, logits), allowed);
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_k = 50, .seed = 1}, logits), allowed);
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_k = 5, .seed = 1}, logits), allowed);
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 0.99f, .seed = 1}, logits), allowed);
  EXPECT_EQ(drawn({.temperature = 1.0f, .min_p = 0.01f, .seed = 1}, logits), allowed);
  EXPECT_EQ(drawn({.temperature = 1.0f, .top_p = 0.99999994f, .seed = 1}, logits), allowed);
}

TEST(Sampler, DrawsFromLogitsOfEveryMagnitude) {
  EXPECT_EQ(drawn({.temperature = 1.0f, .seed = 1}, {3e38f, -3e38f}, 50), (std::set<Token>{0}));
  EXPECT_EQ(drawn({.temperature = 1e38f, .seed = 1}, {1e38f, -1e38f}, 50), (std::set<Token>{0, 1}));
  EXPECT_EQ(drawn({.temperature = 1.0f, .seed = 1}, {1e-45f, 0.0f}, 50), (std::set<Token>{0, 1}));
}

}  // namespace
