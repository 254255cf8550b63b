#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "weft/error.h"
#include "weft/sampler.h"

namespace {

using weft::Candidate;
using weft::Token;
using Stages = std::vector<std::unique_ptr<weft::SamplerStage>>;

/// A user's own stage.
class Apply final : public weft::SamplerStage {
 public:
  explicit Apply(std::function<void(std::vector<Candidate>&)> change) : change_(std::move(change)) {}
  void apply(std::vector<Candidate>& candidates) override { change_(candidates); }

 private:
  std::function<void(std::vector<Candidate>&)> change_;
};

class Count final : public weft::SamplerStage {
 public:
  explicit Count(std::vector<Token>& tokens) : tokens_(tokens) {}
  void apply(std::vector<Candidate>&) override {}
  void accept(Token token) override { tokens_.push_back(token); }
  void reset() override { tokens_.clear(); }

 private:
  std::vector<Token>& tokens_;
};

template <class... S>
Stages make_stages(S... stage) {
  Stages stages;
  (stages.push_back(std::move(stage)), ...);
  return stages;
}

auto make_stage(std::function<void(std::vector<Candidate>&)> change) {
  return std::make_unique<Apply>(std::move(change));
}

std::string error_of(Stages stages, std::vector<float> logits = {1.0f, 2.0f, 3.0f}) {
  try {
    (void)weft::make_sampler_chain(std::move(stages), 1)->sample(logits);
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), weft::ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(SamplerChain, RunsAUsersOwnStageInItsPlace) {
  std::size_t seen = 0;
  const auto sampler =
      weft::make_sampler_chain(make_stages(weft::make_top_k_stage(2), make_stage([&](auto& candidates) {
                                             seen = candidates.size();
                                             std::erase_if(candidates, [](const Candidate& c) { return c.token == 2; });
                                           })),
                               1);
  EXPECT_EQ(sampler->sample(std::vector<float>{1.0f, 2.0f, 3.0f}), 1);
  EXPECT_EQ(seen, 2u);
}

TEST(SamplerChain, WithoutStagesDrawsFromTheSoftmax) {
  const std::vector<float> logits{0.0f, 1.0f, -2.0f, 0.5f};
  const auto chain = weft::make_sampler_chain({}, 3);
  const auto plain = weft::make_sampler({.temperature = 1.0f, .seed = 3});
  for (int i = 0; i < 500; ++i) ASSERT_EQ(chain->sample(logits), plain->sample(logits));
}

TEST(SamplerChain, WithTemperatureZeroIsGreedy) {
  const auto chain = weft::make_sampler_chain(make_stages(weft::make_temperature_stage(0.0f)), 3);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(chain->sample(std::vector<float>{0.0f, 1.0f, 1.0f}), 1);
}

TEST(SamplerChain, DrawsTheSameWhateverOrderAStageLeaves) {
  std::vector<float> logits;
  for (int i = 0; i < 300; ++i) logits.push_back(static_cast<float>(i % 7));
  const auto chain = weft::make_sampler_chain(
      make_stages(make_stage([](auto& candidates) { std::reverse(candidates.begin(), candidates.end()); }),
                  weft::make_top_p_stage(0.7f)),
      9);
  const auto plain = weft::make_sampler_chain(make_stages(weft::make_top_p_stage(0.7f)), 9);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(chain->sample(logits), plain->sample(logits));
}

TEST(SamplerChain, TellsEachStageOfTokensAndResets) {
  std::vector<Token> first, second;
  const auto sampler =
      weft::make_sampler_chain(make_stages(std::make_unique<Count>(first), std::make_unique<Count>(second)), 1);
  sampler->accept(4);
  sampler->accept(2);
  EXPECT_EQ(first, (std::vector<Token>{4, 2}));
  EXPECT_EQ(second, first);
  sampler->reset();
  EXPECT_TRUE(first.empty() && second.empty());
}

TEST(SamplerChain, NamesTheStageThatLeavesNothing) {
  EXPECT_EQ(error_of(make_stages(weft::make_top_k_stage(2), make_stage([](auto& candidates) { candidates.clear(); }))),
            "sampler stage 2 of 2: it left no token that is allowed\n"
            "fix: a stage must keep one candidate with a finite logit, and make only finite logits or -infinity");
}

TEST(SamplerChain, NamesTheStageThatMakesNoNumber) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(error_of(make_stages(make_stage([&](auto& candidates) { candidates[1].logit = bad; }),
                                   weft::make_top_k_stage(2))),
              "sampler stage 1 of 2: it made a logit +infinity or not a number\n"
              "fix: a stage must keep one candidate with a finite logit, and make only finite logits or -infinity");
  }
}

TEST(SamplerChain, RejectsANullStage) {
  EXPECT_EQ(error_of(make_stages(weft::make_top_k_stage(2), std::unique_ptr<weft::SamplerStage>())),
            "sampler stage 2: it is null\nfix: leave out what is not wanted");
}

}  // namespace
