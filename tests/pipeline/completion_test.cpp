#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/pipeline/fakes.h"
#include "weft/pipeline.h"

namespace {

using namespace fakes;
using weft::CompletionPipeline;
using weft::ErrorCode;
using weft::FinishReason;

/// A user's own sampler: greedy, and a witness of what it is told.
class WitnessSampler final : public weft::Sampler {
 public:
  Token sample(std::span<const float> logits) override {
    return forced >= 0 ? forced : static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  void accept(Token token) override { accepted.push_back(token); }
  void reset() override {
    accepted.clear();
    ++resets;
  }
  std::vector<Token> accepted;
  int resets = 0;
  Token forced = -1;
};

std::vector<std::string> streamed(CompletionPipeline& pipeline, std::string_view prompt,
                                  const weft::GenerationOptions& options = {}) {
  std::vector<std::string> pieces;
  pipeline.generate(prompt, options, [&](std::string_view text) { pieces.emplace_back(text); });
  return pieces;
}

TEST(CompletionPipeline, StreamsTheAnswerUntilAStopToken) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("2+2=", "4!"))));
  std::string shown;
  const auto result = pipeline.generate("2+2=", {}, [&](std::string_view text) { shown += text; });
  EXPECT_EQ(shown, "4!");
  EXPECT_EQ(result.text, "4!");
  EXPECT_EQ(result.tokens, (std::vector<Token>{'4', '!', kEnd}));
  EXPECT_EQ(result.prompt_tokens, tokens_of("2+2="));
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
}

TEST(CompletionPipeline, ReadsThePromptInOneCallAndThenTokenByToken) {
  const auto runner = std::make_shared<FakeRunner>(says("2+2=", "4!"));
  CompletionPipeline pipeline(parts(runner));
  pipeline.generate("2+2=");
  EXPECT_EQ(runner->forwards, (std::vector<std::vector<Token>>{tokens_of("2+2="), {'4'}, {'!'}}));
  EXPECT_EQ(pipeline.cached_tokens(), tokens_of("2+2=4!"));
}

TEST(CompletionPipeline, ReadsTheUsersTextWithoutControlTokens) {
  const auto runner = std::make_shared<FakeRunner>(says("<end>", "x"));
  CompletionPipeline pipeline(parts(runner));
  EXPECT_EQ(pipeline.generate("<end>", {.max_tokens = 1}).prompt_tokens, (std::vector<Token>{'<', 'e', 'n', 'd', '>'}));
  const weft::Prompt prompt{{"<user>", weft::Specials::kAsTokens}, {"<end>", weft::Specials::kAsText}};
  EXPECT_EQ(pipeline.generate(prompt, {.max_tokens = 1}).prompt_tokens,
            (std::vector<Token>{kUser, '<', 'e', 'n', 'd', '>'}));
}

TEST(CompletionPipeline, BeginsPlainTextWithBosWhereTheModelWantsOne) {
  auto with_bos = parts(std::make_shared<FakeRunner>(says("", "x")));
  with_bos.bos_token = kSystem;
  CompletionPipeline pipeline(with_bos);
  EXPECT_EQ(pipeline.generate("a", {.max_tokens = 1}).prompt_tokens, (std::vector<Token>{kSystem, 'a'}));
  EXPECT_EQ(pipeline.generate("", {.max_tokens = 1}).prompt_tokens, (std::vector<Token>{kSystem}));
  EXPECT_EQ(pipeline.generate_tokens({'a'}, {.max_tokens = 1}).prompt_tokens, (std::vector<Token>{'a'}));
}

TEST(CompletionPipeline, HoldsBackHalfOfACharacterUntilItsLastByte) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "x\xF0\x9F\x98\x80y"))));
  EXPECT_EQ(streamed(pipeline, "a"), (std::vector<std::string>{"x", "\xF0\x9F\x98\x80", "y"}));
}

TEST(CompletionPipeline, ShowsACharacterCutOffByTheLimitAsReplacement) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "x\xF0\x9F\x98\x80y"))));
  EXPECT_EQ(pipeline.generate("a", {.max_tokens = 3}).text, "x\xEF\xBF\xBD");
}

TEST(CompletionPipeline, NeverShowsAStopTextInPart) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "one\n\ntwo"))));
  std::string shown;
  const auto result = pipeline.generate("a", {.stop = {"\n\ntw"}}, [&](std::string_view text) {
    EXPECT_EQ(text.find('\n'), std::string_view::npos);
    shown += text;
  });
  EXPECT_EQ(shown, "one");
  EXPECT_EQ(result.text, "one");
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_EQ(result.tokens, tokens_of("one\n\ntw"));
}

TEST(CompletionPipeline, ShowsAtTheEndWhatMightHaveBecomeAStopText) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "one\n"))));
  const auto result = pipeline.generate("a", {.stop = {"\n\n"}});
  EXPECT_EQ(result.text, "one\n");
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
}

TEST(CompletionPipeline, FindsAStopTextThatOneTokenCompletesWithMore) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", std::vector<Token>{'x', kParis, 'y'}))));
  EXPECT_EQ(pipeline.generate("a", {.stop = {"xPa"}}).text, "");
  EXPECT_EQ(pipeline.generate("a", {.stop = {"ari"}}).text, "xP");
}

TEST(CompletionPipeline, GoesOnPastStopTokensWhereAsked) {
  CompletionPipeline pipeline(
      parts(std::make_shared<FakeRunner>(says("a", std::vector<Token>{'x', kEnd, 'y', kEnd, kEnd}))));
  const auto result = pipeline.generate("a", {.max_tokens = 4, .ignore_stop_tokens = true});
  EXPECT_EQ(result.tokens, (std::vector<Token>{'x', kEnd, 'y', kEnd}));
  EXPECT_EQ(result.text, "xy");
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
}

TEST(CompletionPipeline, EndsWithLengthAtMaxTokens) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "bcdef"))));
  const auto result = pipeline.generate("a", {.max_tokens = 2});
  EXPECT_EQ(result.text, "bc");
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
}

TEST(CompletionPipeline, EndsWithLengthWhereTheContextEnds) {
  const auto runner = std::make_shared<FakeRunner>(says("abc", "defghijkl"), 6);
  CompletionPipeline pipeline(parts(runner));
  const auto result = pipeline.generate("abc", {.max_tokens = 100});
  EXPECT_EQ(result.text, "def");
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_EQ(pipeline.generate("abcde").text, "f") << "a prompt that leaves room for one token";
}

TEST(CompletionPipeline, SaysHowLongAPromptMayBe) {
  const auto runner = std::make_shared<FakeRunner>(says("", ""), 6);
  CompletionPipeline pipeline(parts(runner));
  EXPECT_EQ(error_of([&] { pipeline.generate("abcdef"); }, ErrorCode::kContextFull),
            "prompt: it has 6 tokens, but at most 5 fit (a context of 6, one of them for the answer)\n"
            "fix: shorten the prompt, or export the model with a longer context (--max-context)");
  EXPECT_TRUE(runner->forwards.empty());
}

TEST(CompletionPipeline, RejectsAnEmptyPrompt) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("", ""))));
  EXPECT_EQ(error_of([&] { pipeline.generate(""); }, ErrorCode::kInvalidArgument),
            "prompt: it has no tokens, so that there is nothing to complete\n"
            "fix: give some text; this model has no token that begins one");
}

TEST(CompletionPipeline, RejectsTokensThatTheModelDoesNotHave) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("", ""))));
  for (const Token token : {Token{kVocab}, Token{-1}}) {
    EXPECT_EQ(error_of([&] { pipeline.generate_tokens({'a', token}); }, ErrorCode::kInvalidArgument),
              "prompt: token " + std::to_string(token) +
                  " at place 1 is not one of the model's 263\nfix: use the tokenizer that belongs to the model");
  }
}

TEST(CompletionPipeline, NamesAMissingPart) {
  EXPECT_EQ(error_of([] { CompletionPipeline pipeline(weft::PipelineParts{}); }, ErrorCode::kInvalidArgument),
            "PipelineParts::runner: it is missing");
  EXPECT_EQ(
      error_of(
          [] { CompletionPipeline pipeline({.runner = std::make_shared<FakeRunner>(Script()), .tokenizer = nullptr}); },
          ErrorCode::kInvalidArgument),
      "PipelineParts::tokenizer: it is missing");
}

TEST(CompletionPipeline, ComputesOnlyWhatTheCacheLacks) {
  const auto runner = std::make_shared<FakeRunner>(says("The capital of France", ""));
  CompletionPipeline pipeline(parts(runner));
  pipeline.generate("The capital of France");
  runner->forwards.clear();
  const auto result = pipeline.generate("The capital of Spain", {.max_tokens = 1});
  EXPECT_EQ(runner->forwards, (std::vector<std::vector<Token>>{tokens_of("Spain")}));
  EXPECT_EQ(result.stats.prompt_tokens, 20u);
  EXPECT_EQ(result.stats.cached_tokens, 15u);
  EXPECT_EQ(runner->n_caches, 1u);
}

TEST(CompletionPipeline, ComputesOneTokenOfAPromptThatIsAllCached) {
  const auto runner = std::make_shared<FakeRunner>(says("abc", "de"));
  CompletionPipeline pipeline(parts(runner));
  pipeline.generate("abc");
  runner->forwards.clear();
  EXPECT_EQ(pipeline.generate("abc").text, "de");
  EXPECT_EQ(runner->forwards.front(), (std::vector<Token>{'c'}));
}

TEST(CompletionPipeline, ComputesEverythingAfterReset) {
  const auto runner = std::make_shared<FakeRunner>(says("abc", "de"));
  CompletionPipeline pipeline(parts(runner));
  pipeline.generate("abc");
  pipeline.reset();
  EXPECT_TRUE(pipeline.cached_tokens().empty());
  EXPECT_EQ(pipeline.generate("abc").stats.cached_tokens, 0u);
}

TEST(CompletionPipeline, TellsTheSamplerOfPromptAndAnswer) {
  const auto sampler = std::make_shared<WitnessSampler>();
  auto with_sampler = parts(std::make_shared<FakeRunner>(says("ab", "cd")));
  with_sampler.sampler = sampler;
  CompletionPipeline pipeline(with_sampler);
  for (int turn = 1; turn <= 2; ++turn) {
    pipeline.generate("ab");
    EXPECT_EQ(sampler->accepted, (std::vector<Token>{'a', 'b', 'c', 'd', kEnd})) << "also of what the cache held";
    EXPECT_EQ(sampler->resets, turn);
  }
}

TEST(CompletionPipeline, SamplesAsTheOptionsSay) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "b"))));
  weft::GenerationOptions banned;
  banned.max_tokens = 1;
  banned.sampling.logit_bias = {{'b', -100.0f}};
  EXPECT_NE(pipeline.generate("a", banned).text, "b");
  EXPECT_EQ(
      error_of([&] { pipeline.generate("a", {.sampling = {.top_p = 7}}); }, ErrorCode::kInvalidArgument).substr(0, 6),
      "top_p:");
}

TEST(CompletionPipeline, NamesASamplerThatGivesNoToken) {
  const auto sampler = std::make_shared<WitnessSampler>();
  sampler->forced = kVocab;
  auto with_sampler = parts(std::make_shared<FakeRunner>(says("ab", "cd")));
  with_sampler.sampler = sampler;
  CompletionPipeline pipeline(with_sampler);
  EXPECT_EQ(error_of([&] { pipeline.generate("ab"); }, ErrorCode::kInvalidArgument),
            "sampler: it gave token 263, but the model has 263\n"
            "fix: Sampler::sample() returns an index into the logits");
}

TEST(CompletionPipeline, NamesARunnerThatGivesNoLogits) {
  class Mute final : public weft::Runner {
   public:
    std::size_t vocab_size() const noexcept override { return kVocab; }
    std::size_t max_context() const noexcept override { return 10; }
    std::unique_ptr<weft::Cache> new_cache() override { return std::make_unique<FakeCache>(10); }
    std::unique_ptr<weft::Cache> load_cache(std::istream&) override { return new_cache(); }
    void forward(std::span<const weft::Step>, weft::Logits& out) override { out.resize(0, kVocab); }
  };
  CompletionPipeline pipeline(parts(std::make_shared<Mute>()));
  EXPECT_EQ(error_of([&] { pipeline.generate("ab"); }, ErrorCode::kBackend),
            "runner: it gave 0 rows of logits where one was asked for\n"
            "fix: Runner::forward() gives one row for each step with LogitRows::kLast");
}

TEST(CompletionPipeline, ShowsNothingForLogitsBeyondTheTokenizer) {
  const auto runner = std::make_shared<FakeRunner>(says("a", std::vector<Token>{'x', kVocab + 5, 'y'}));
  runner->n_vocab = kVocab + 10;
  CompletionPipeline pipeline(parts(runner));
  EXPECT_EQ(pipeline.generate("a").text, "xy");
}

TEST(CompletionPipeline, StopsAtTheTokenAfterWhichItIsCancelled) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "bcdef"))));
  std::stop_source stop;
  std::string shown;
  const auto result = pipeline.generate("a", {.cancel = stop.get_token()}, [&](std::string_view text) {
    shown += text;
    if (shown == "bc") stop.request_stop();
  });
  EXPECT_EQ(shown, "bc");
  EXPECT_EQ(result.text, "bc");
  EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(pipeline.generate("a").text, "bcdef") << "and goes on afterwards";
}

TEST(CompletionPipeline, ShowsHeldBackTextWhenCancelled) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "b\n\nc"))));
  std::stop_source stop;
  const auto result = pipeline.generate("a", {.stop = {"\n\n"}, .cancel = stop.get_token()},
                                        [&](std::string_view) { stop.request_stop(); });
  EXPECT_EQ(result.text, "b");
  const auto other = pipeline.generate("a", {.max_tokens = 2, .stop = {"\n\n"}});
  EXPECT_EQ(other.text, "b\n");
}

TEST(CompletionPipeline, NoticesACancellationBetweenChunksOfThePrompt) {
  const auto runner = std::make_shared<FakeRunner>(says("", ""));
  CompletionPipeline pipeline(parts(runner));
  std::stop_source stop;
  runner->on_forward = [&](std::size_t n_before) {
    if (n_before == 1) stop.request_stop();
  };
  const std::string prompt(2000, 'p');
  const auto result = pipeline.generate(prompt, {.cancel = stop.get_token()});
  EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(runner->forwards.size(), 2u);
  EXPECT_LT(runner->n_tokens_computed(), 1000u);
  EXPECT_EQ(pipeline.cached_tokens().size(), runner->n_tokens_computed());

  const auto again = pipeline.generate(prompt, {.max_tokens = 1});
  EXPECT_EQ(again.stats.cached_tokens + runner->forwards.back().size(), 2000u) << "what was computed is not lost";
}

TEST(CompletionPipeline, ComputesNothingWhenCancelledBeforehand) {
  const auto runner = std::make_shared<FakeRunner>(says("", ""));
  CompletionPipeline pipeline(parts(runner));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(pipeline.generate("abc", {.cancel = stop.get_token()}).finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(runner->forwards.empty());
}

TEST(CompletionPipeline, PassesOnWhatTheCallbackThrowsAndStaysUsable) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("a", "bcdef"))));
  EXPECT_THROW(pipeline.generate("a", {}, [](std::string_view) { throw std::runtime_error("the pipe is closed"); }),
               std::runtime_error);
  EXPECT_EQ(pipeline.cached_tokens(), tokens_of("a"));
  EXPECT_EQ(pipeline.generate("a").text, "bcdef");
}

TEST(CompletionPipeline, KeepsItsCacheWhereverTheRunnerFails) {
  for (std::size_t fails_at = 0; fails_at < 6; ++fails_at) {
    const auto runner = std::make_shared<FakeRunner>(says("abc", "defgh"));
    runner->on_forward = [&](std::size_t n_before) {
      if (n_before == fails_at) throw weft::Error(ErrorCode::kBackend, "out of memory");
    };
    CompletionPipeline pipeline(parts(runner));
    EXPECT_EQ(error_of([&] { pipeline.generate("abc"); }, ErrorCode::kBackend), "out of memory");
    EXPECT_EQ(pipeline.cached_tokens().size(), runner->n_tokens_computed()) << fails_at;
    runner->on_forward = nullptr;
    EXPECT_EQ(pipeline.generate("abc").text, "defgh") << fails_at;
    EXPECT_EQ(runner->n_caches, 1u);
  }
}

TEST(CompletionPipeline, TakesANewCacheIfAFailingRunnerLeftItsOwnHalfWritten) {
  const auto runner = std::make_shared<FakeRunner>([n = 0](const std::vector<Token>& sequence) mutable -> Token {
    if (++n == 2) throw std::runtime_error("after the cache has advanced");
    return sequence.size() < 5 ? 'x' : Token{kEnd};
  });
  CompletionPipeline pipeline(parts(runner));
  EXPECT_THROW(pipeline.generate("abc"), std::runtime_error);
  EXPECT_EQ(pipeline.generate("abc").text, "xx");
  EXPECT_EQ(runner->n_caches, 2u);
}

TEST(CompletionPipeline, CountsAndTimesWhatItDid) {
  CompletionPipeline pipeline(parts(std::make_shared<FakeRunner>(says("abc", "de"))));
  const auto stats = pipeline.generate("abc").stats;
  EXPECT_EQ(stats.prompt_tokens, 3u);
  EXPECT_EQ(stats.cached_tokens, 0u);
  EXPECT_EQ(stats.generated_tokens, 3u);
  EXPECT_GT(stats.prefill_s, 0);
  EXPECT_GE(stats.first_token_s, stats.prefill_s);
  EXPECT_GT(stats.decode_s, 0);
}

TEST(GenerationStats, GiveRatesOfWhatWasComputed) {
  const weft::GenerationStats stats{.prompt_tokens = 30,
                                    .cached_tokens = 10,
                                    .generated_tokens = 5,
                                    .prefill_s = 0.5,
                                    .first_token_s = 0.6,
                                    .decode_s = 2};
  EXPECT_EQ(stats.prefill_tokens_per_s(), 40);
  EXPECT_EQ(stats.decode_tokens_per_s(), 2);
  EXPECT_EQ(weft::GenerationStats{}.prefill_tokens_per_s(), 0);
  EXPECT_EQ(weft::GenerationStats{}.decode_tokens_per_s(), 0);
}

TEST(FinishReason, HasTheNamesOfTheApi) {
  EXPECT_EQ(weft::to_string(FinishReason::kStop), "stop");
  EXPECT_EQ(weft::to_string(FinishReason::kLength), "length");
  EXPECT_EQ(weft::to_string(FinishReason::kCancelled), "cancelled");
}

TEST(CompletionPipeline, IsMadeOfWhateverIsShapedLikeAModel) {
  struct {
    std::shared_ptr<FakeRunner> runner = std::make_shared<FakeRunner>(says("<system>a", "b"));
    std::shared_ptr<ByteTokenizer> tokenizer = std::make_shared<ByteTokenizer>();
    std::optional<weft::ChatTemplate> chat_template = weft::ChatTemplate::parse("{{ messages }}");
    struct {
      std::vector<Token> stop_tokens{kEnd};
      std::optional<Token> bos_token = kSystem;
      bool add_bos = true;
    } defaults;
  } model;
  CompletionPipeline pipeline(model);
  const auto result = pipeline.generate("a");
  EXPECT_EQ(result.prompt_tokens, (std::vector<Token>{kSystem, 'a'}));
  EXPECT_EQ(result.text, "b");
  model.defaults.add_bos = false;
  EXPECT_EQ(weft::parts_of(model).bos_token, std::nullopt);
}

}  // namespace
