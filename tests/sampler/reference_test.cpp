// Held against Transformers' logits processors and against NumPy; make_goldens.py made the numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "weft/sampler.h"

namespace {

using nlohmann::json;
using weft::Candidate;
using weft::Token;

const json& goldens() {
  static const json value = json::parse(std::ifstream(WEFT_SOURCE_DIR "/tests/sampler/goldens.json"));
  return value;
}

std::vector<weft::LogitBias> biases_of(const json& options) {
  std::vector<weft::LogitBias> biases;
  for (const json& bias : options.value("logit_bias", json::array())) {
    biases.push_back({bias.at(0).get<Token>(), bias.at(1).get<float>()});
  }
  return biases;
}

std::vector<std::unique_ptr<weft::SamplerStage>> stages_of(const json& options) {
  std::vector<std::unique_ptr<weft::SamplerStage>> stages;
  stages.push_back(weft::make_penalty_stage(options.value("repetition_penalty", 1.0f),
                                            options.value("frequency_penalty", 0.0f),
                                            options.value("presence_penalty", 0.0f), 0));
  stages.push_back(weft::make_logit_bias_stage(biases_of(options)));
  stages.push_back(weft::make_temperature_stage(options.value("temperature", 1.0f)));
  stages.push_back(weft::make_top_k_stage(options.value("top_k", 0)));
  stages.push_back(weft::make_top_p_stage(options.value("top_p", 1.0f)));
  stages.push_back(weft::make_min_p_stage(options.value("min_p", 0.0f)));
  return stages;
}

weft::SamplingOptions sampling_of(const json& options, std::uint64_t seed) {
  return {.temperature = options.value("temperature", 1.0f),
          .top_k = options.value("top_k", 0),
          .top_p = options.value("top_p", 1.0f),
          .min_p = options.value("min_p", 0.0f),
          .repetition_penalty = options.value("repetition_penalty", 1.0f),
          .frequency_penalty = options.value("frequency_penalty", 0.0f),
          .presence_penalty = options.value("presence_penalty", 0.0f),
          .logit_bias = biases_of(options),
          .seed = seed};
}

std::map<Token, double> log_probabilities(const std::vector<Candidate>& candidates) {
  double max = -INFINITY, sum = 0;
  for (const Candidate& c : candidates) max = std::max<double>(max, c.logit);
  for (const Candidate& c : candidates) sum += std::exp(c.logit - max);
  std::map<Token, double> result;
  for (const Candidate& c : candidates) result[c.token] = c.logit - max - std::log(sum);
  return result;
}

std::vector<Candidate> candidates_of(const std::vector<float>& logits) {
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < logits.size(); ++i) candidates.push_back({static_cast<Token>(i), logits[i]});
  return candidates;
}

std::map<Token, double> expected_of(const json& golden) {
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < golden.at("kept").size(); ++i) {
    candidates.push_back({golden.at("kept")[i].get<Token>(), golden.at("processed")[i].get<float>()});
  }
  return log_probabilities(candidates);
}

TEST(SamplerStages, GiveWhatTransformersProcessorsGive) {
  for (const json& set : goldens().at("sets")) {
    for (const json& golden : set.at("cases")) {
      SCOPED_TRACE(golden.at("options").dump());
      auto candidates = candidates_of(set.at("logits").get<std::vector<float>>());
      for (const auto& stage : stages_of(golden.at("options"))) {
        for (const Token token : set.at("seen").get<std::vector<Token>>()) stage->accept(token);
        stage->apply(candidates);
      }
      const auto actual = log_probabilities(candidates);
      const auto expected = expected_of(golden);
      ASSERT_EQ(actual.size(), expected.size());
      for (const auto& [token, log_probability] : expected) {
        ASSERT_TRUE(actual.contains(token)) << token;
        EXPECT_NEAR(actual.at(token), log_probability, 4e-6) << token;
      }
    }
  }
}

// The fused sampler shows its distribution only through its draws.
TEST(Sampler, DrawsFromTheDistributionOfTransformersProcessors) {
  constexpr int kDraws = 5000;
  std::uint64_t seed = 7;
  for (const json& set : goldens().at("sets")) {
    const auto logits = set.at("logits").get<std::vector<float>>();
    for (const json& golden : set.at("cases")) {
      SCOPED_TRACE(golden.at("options").dump());
      const auto sampler = weft::make_sampler(sampling_of(golden.at("options"), ++seed));
      for (const Token token : set.at("seen").get<std::vector<Token>>()) sampler->accept(token);
      std::map<Token, int> counts;
      for (int i = 0; i < kDraws; ++i) ++counts[sampler->sample(logits)];

      const auto expected = expected_of(golden);
      double chi_square = 0, rare_expected = 0, rare_count = 0;
      int cells = 0;
      for (const auto& [token, log_probability] : expected) {
        const double mean = std::exp(log_probability) * kDraws;
        const double count = counts[token];
        if (mean < 5) {
          rare_expected += mean;
          rare_count += count;
        } else {
          chi_square += (count - mean) * (count - mean) / mean;
          ++cells;
        }
      }
      for (const auto& [token, count] : counts) EXPECT_TRUE(expected.contains(token)) << token << " x " << count;
      if (rare_expected >= 5) {
        chi_square += (rare_count - rare_expected) * (rare_count - rare_expected) / rare_expected;
        ++cells;
      }
      // Five standard deviations of a chi-square variable; the seeds are fixed, so this can't flicker.
      EXPECT_LT(chi_square, cells + 5 * std::sqrt(2.0 * cells)) << cells << " cells";
    }
  }
}

TEST(Sampler, DrawsWhatTheChainOfItsStagesDraws) {
  for (const json& set : goldens().at("sets")) {
    const auto logits = set.at("logits").get<std::vector<float>>();
    for (const json& golden : set.at("cases")) {
      SCOPED_TRACE(golden.at("options").dump());
      const auto fused = weft::make_sampler(sampling_of(golden.at("options"), 5));
      const auto chain = weft::make_sampler_chain(stages_of(golden.at("options")), 5);
      for (const Token token : set.at("seen").get<std::vector<Token>>()) {
        fused->accept(token);
        chain->accept(token);
      }
      for (int i = 0; i < 300; ++i) ASSERT_EQ(fused->sample(logits), chain->sample(logits)) << i;
    }
  }
}

TEST(Sampler, GivesTheSameTokensForTheSameSeedOnEveryPlatform) {
  std::vector<float> logits;  // integers hashed, as make_goldens.py does: the same bits in both
  for (std::uint64_t i = 0; i < 1000; ++i) {
    logits.push_back(static_cast<float>(static_cast<double>(i * 2654435761u % (1ull << 32)) / 0x1p32 * 16 - 8));
  }
  for (const json& golden : goldens().at("draws")) {
    const auto sampler = weft::make_sampler(
        {.temperature = golden.at("temperature").get<float>(), .seed = golden.at("seed").get<std::uint64_t>()});
    std::vector<Token> tokens;
    for (std::size_t i = 0; i < golden.at("tokens").size(); ++i) tokens.push_back(sampler->sample(logits));
    EXPECT_EQ(tokens, golden.at("tokens").get<std::vector<Token>>()) << "temperature " << golden.at("temperature");
  }
}

}  // namespace
