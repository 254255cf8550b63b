#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "weft/error.h"
#include "weft/sampler.h"

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), weft::ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

std::string error_of(const weft::SamplingOptions& options) {
  return error_of([&] { (void)weft::make_sampler(options); });
}

TEST(SamplingOptions, NamesTheOptionThatIsOutOfRange) {
  EXPECT_EQ(error_of({.temperature = -0.5f}),
            "temperature: -0.5 is not a number from 0 on\n"
            "fix: 0 is greedy, 1 leaves the model's distribution as it is");
  EXPECT_EQ(error_of({.top_p = 1.5f}),
            "top_p: 1.5 is not above 0 and at most 1\n"
            "fix: 1 keeps all tokens, 0.9 the likeliest with nine tenths of the probability");
  EXPECT_EQ(error_of({.top_k = -1}),
            "top_k: -1 is not a number from 0 on\nfix: 0 keeps all tokens, 40 the 40 likeliest");
  EXPECT_EQ(error_of({.min_p = 1.0f}),
            "min_p: 1 is not from 0 to below 1\n"
            "fix: 0 keeps all tokens, 0.05 those with a twentieth of the likeliest's probability");
  EXPECT_EQ(error_of({.repetition_penalty = 0.0f}),
            "repetition_penalty: 0 is not a number above 0\nfix: 1 is none, 1.1 a usual one");
  EXPECT_EQ(error_of({.frequency_penalty = 2.5f}), "frequency_penalty: 2.5 is not from -2 to 2\nfix: 0 is none");
  EXPECT_EQ(error_of({.presence_penalty = -3.0f}), "presence_penalty: -3 is not from -2 to 2\nfix: 0 is none");
  EXPECT_EQ(error_of({.penalty_window = -1}),
            "penalty_window: -1 is not a number from 0 on\nfix: 0 counts all tokens as seen");
  EXPECT_EQ(error_of({.logit_bias = {{-1, 0.0f}}}), "logit_bias: the id -1 is not a token\nfix: ids count from 0");
  EXPECT_EQ(error_of({.logit_bias = {{3, kInfinity}}}),
            "logit_bias: the bias inf of token 3 is not finite or -infinity\n"
            "fix: -infinity bans a token, 100 all but forces it");
}

TEST(SamplingOptions, RejectsWhatIsNotANumber) {
  EXPECT_EQ(error_of({.temperature = kNaN}).substr(0, 12), "temperature:");
  EXPECT_EQ(error_of({.temperature = kInfinity}).substr(0, 12), "temperature:");
  EXPECT_EQ(error_of({.top_p = kNaN}).substr(0, 6), "top_p:");
  EXPECT_EQ(error_of({.min_p = kNaN}).substr(0, 6), "min_p:");
  EXPECT_EQ(error_of({.repetition_penalty = kNaN}).substr(0, 19), "repetition_penalty:");
  EXPECT_EQ(error_of({.frequency_penalty = kNaN}).substr(0, 18), "frequency_penalty:");
  EXPECT_EQ(error_of({.presence_penalty = kNaN}).substr(0, 17), "presence_penalty:");
  EXPECT_EQ(error_of({.logit_bias = {{3, kNaN}}}).substr(0, 11), "logit_bias:");
}

TEST(SamplerStages, CheckTheirOwnOption) {
  EXPECT_EQ(error_of([] { (void)weft::make_temperature_stage(-1.0f); }).substr(0, 12), "temperature:");
  EXPECT_EQ(error_of([] { (void)weft::make_top_k_stage(-1); }).substr(0, 6), "top_k:");
  EXPECT_EQ(error_of([] { (void)weft::make_top_p_stage(0.0f); }).substr(0, 6), "top_p:");
  EXPECT_EQ(error_of([] { (void)weft::make_min_p_stage(-0.1f); }).substr(0, 6), "min_p:");
  EXPECT_EQ(error_of([] { (void)weft::make_penalty_stage(-1, 0, 0, 0); }).substr(0, 19), "repetition_penalty:");
  EXPECT_EQ(error_of([] { (void)weft::make_logit_bias_stage({{-1, 0}}); }).substr(0, 11), "logit_bias:");
}

// Every kind of sampler, since each has a way of its own through the logits.
class EverySampler : public testing::TestWithParam<const char*> {
 protected:
  static std::unique_ptr<weft::Sampler> make() {
    const std::string kind = GetParam();
    if (kind == "greedy") return weft::make_sampler();
    if (kind == "temperature") return weft::make_sampler({.temperature = 1.0f, .seed = 1});
    if (kind == "top_k") return weft::make_sampler({.temperature = 1.0f, .top_k = 5, .seed = 1});
    if (kind == "top_p") return weft::make_sampler({.temperature = 1.0f, .top_p = 0.5f, .seed = 1});
    if (kind == "min_p") return weft::make_sampler({.temperature = 1.0f, .min_p = 0.5f, .seed = 1});
    if (kind == "bias") return weft::make_sampler({.temperature = 1.0f, .logit_bias = {{0, 1.0f}}, .seed = 1});
    std::vector<std::unique_ptr<weft::SamplerStage>> stages;
    stages.push_back(weft::make_top_k_stage(5));
    stages.push_back(weft::make_top_p_stage(0.5f));
    return weft::make_sampler_chain(std::move(stages), 1);
  }
  static std::string error_for(std::vector<float> logits) {
    return error_of([&] { (void)make()->sample(logits); });
  }
};
INSTANTIATE_TEST_SUITE_P(Samplers, EverySampler,
                         testing::Values("greedy", "temperature", "top_k", "top_p", "min_p", "bias", "chain"),
                         [](const auto& sampler) { return std::string(sampler.param); });

TEST_P(EverySampler, RejectsLogitsThatAreNotNumbersAnywhere) {
  for (const std::size_t place : {0, 5, 127, 128, 255, 256, 299}) {
    std::vector<float> logits(300, 1.0f);
    logits[place] = kNaN;
    EXPECT_EQ(error_for(logits), "logits: entry " + std::to_string(place) +
                                     " is not a number\nfix: the model's numbers went wrong: check its export and "
                                     "its data type, or the penalties if some are set");
    logits[place] = -kNaN;
    EXPECT_NE(error_for(logits), "no error");
    logits[place] = kInfinity;
    EXPECT_EQ(error_for(logits), "logits: entry " + std::to_string(place) +
                                     " is +infinity\nfix: the model's numbers went wrong: check its export and its "
                                     "data type, or the penalties if some are set");
  }
}

TEST_P(EverySampler, RejectsLogitsThatAllowNothing) {
  EXPECT_EQ(error_for(std::vector<float>(300, -kInfinity)),
            "logits: all are -infinity, so that no token is allowed\nfix: ban fewer tokens");
}

TEST_P(EverySampler, RejectsNoLogits) {
  const auto error = error_for({});
  EXPECT_TRUE(error.starts_with("logits: there are none to sample from") || error.starts_with("logit_bias:")) << error;
}

TEST_P(EverySampler, SamplesAgainAfterAnError) {
  const auto sampler = make();
  EXPECT_THROW((void)sampler->sample(std::vector<float>{kNaN, 1.0f}), weft::Error);
  EXPECT_EQ(sampler->sample(std::vector<float>{-100.0f, 10.0f}), 1);
}

TEST(Sampler, SaysWhichBiasedTokenTheModelDoesNotHave) {
  const auto sampler = weft::make_sampler({.logit_bias = {{9, 1.0f}}});
  EXPECT_EQ(error_of([&] { (void)sampler->sample(std::vector<float>{1.0f, 2.0f}); }),
            "logit_bias: token 9 is not one of the model's 2\nfix: the ids must be those of this model's tokenizer");
}

TEST(Sampler, RejectsBiasesThatBanEverything) {
  const auto sampler = weft::make_sampler({.logit_bias = {{0, -kInfinity}, {1, -kInfinity}}});
  EXPECT_EQ(error_of([&] { (void)sampler->sample(std::vector<float>{1.0f, 2.0f}); }),
            "logits: all are -infinity, so that no token is allowed\nfix: ban fewer tokens");
}

TEST(Sampler, RejectsToAcceptWhatIsNoToken) {
  const auto sampler = weft::make_sampler({.presence_penalty = 1.0f});
  EXPECT_EQ(error_of([&] { sampler->accept(-1); }),
            "Sampler::accept: -1 is no token of any vocabulary\nfix: pass an id from 0 to 4194303");
  EXPECT_NE(error_of([&] { sampler->accept(2147483647); }), "no error");
}

}  // namespace
