// What every Runner promises, run on a real exported model: runner_contract_<backend> MODEL [GoogleTest flags].

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include WEFT_BACKEND_HEADER
#include "weft/error.h"
#include "weft/runner.h"

namespace weft {
namespace {

std::string model_path;

std::vector<Token> random_tokens(std::size_t n, std::uint32_t seed, std::size_t vocab_size) {
  std::vector<Token> tokens(n);
  std::uint32_t state = seed * 2654435761u + 1;
  for (Token& token : tokens) {
    state = state * 1664525u + 1013904223u;
    token = static_cast<Token>((state >> 8) % vocab_size);
  }
  return tokens;
}

class EveryRunner : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    file_ = WEFT_BACKEND().open(model_path);
    runner_ = file_->load_runner({.threads = 2});
  }
  static void TearDownTestSuite() {
    runner_.reset();
    file_.reset();
  }

  static std::vector<Token> tokens(std::size_t n, std::uint32_t seed = 1) { return random_tokens(n, seed, runner_->vocab_size()); }

  static Logits forward(Cache& cache, std::span<const Token> tokens, LogitRows rows = LogitRows::kLast) {
    Logits logits;
    const Step step{cache, tokens, rows};
    runner_->forward({&step, 1}, logits);
    return logits;
  }

  // Logits of a fresh cache after all of `tokens` in one step.
  static std::vector<float> fresh(std::span<const Token> tokens) {
    auto cache = runner_->new_cache();
    const Logits logits = forward(*cache, tokens);
    return {logits.data().begin(), logits.data().end()};
  }

  static void expect_same(std::span<const float> actual, std::span<const float> expected) {
    ASSERT_EQ(actual.size(), expected.size());
    float scale = 0, worst = 0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      ASSERT_TRUE(std::isfinite(actual[i])) << "logit " << i;
      scale = std::max(scale, std::fabs(expected[i]));
      worst = std::max(worst, std::fabs(actual[i] - expected[i]));
    }
    // Matrix products of another number of rows may sum in another order; nothing else may differ.
    EXPECT_LE(worst, 1e-5f * scale) << "of " << scale;
  }

  static std::unique_ptr<ModelFile> file_;
  static std::unique_ptr<Runner> runner_;
};
std::unique_ptr<ModelFile> EveryRunner::file_;
std::unique_ptr<Runner> EveryRunner::runner_;

TEST_F(EveryRunner, DecodingOneByOneEqualsOnePrefill) {
  const auto ids = tokens(24);
  auto cache = runner_->new_cache();
  Logits logits;
  for (const Token& id : ids) logits = forward(*cache, {&id, 1});
  EXPECT_EQ(cache->size(), ids.size());
  expect_same(logits.row(0), fresh(ids));
}

TEST_F(EveryRunner, PromptLongerThanOneCallIsCutIntoChunks) {
  const auto ids = tokens(std::min<std::size_t>(700, runner_->max_context() - 1));
  auto cache = runner_->new_cache();
  const auto half = std::span(ids).first(ids.size() / 2);
  forward(*cache, half);
  const Logits logits = forward(*cache, std::span(ids).subspan(half.size()));
  expect_same(logits.row(0), fresh(ids));
}

TEST_F(EveryRunner, AllRowsAreTheLastRowsOfEveryPrefix) {
  const auto ids = tokens(70);  // more rows than one call gives
  auto cache = runner_->new_cache();
  const Logits all = forward(*cache, ids, LogitRows::kAll);
  ASSERT_EQ(all.rows(), ids.size());
  for (const std::size_t n : {std::size_t{1}, std::size_t{32}, std::size_t{33}, ids.size()}) {
    expect_same(all.row(n - 1), fresh(std::span(ids).first(n)));
  }
}

TEST_F(EveryRunner, NarrowerCachesGiveNearlyTheSameLogits) {
  const auto ids = tokens(60);
  const std::vector<float> exact = fresh(ids);
  float scale = 0;
  for (const float x : exact) scale = std::max(scale, std::fabs(x));
  auto cache = runner_->new_cache();
  forward(*cache, ids);
  std::stringstream saved;
  cache->save(saved);
  for (const auto& [type, allowed] : {std::pair{CacheType::kFloat32, 1e-5f}, {CacheType::kFloat16, 5e-3f}, {CacheType::kBFloat16, 5e-2f},
                                     {CacheType::kInt8, 5e-2f}}) {
    std::unique_ptr<Runner> runner;
    try {
      runner = file_->load_runner({.threads = 2, .cache_type = type});
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
      ASSERT_NE(error.message().find("caches in the graph"), std::string::npos) << error.what();
      continue;
    }
    auto narrow = runner->new_cache();
    Logits logits;
    for (const std::size_t n : {std::size_t{40}, std::size_t{1}, std::size_t{19}}) {
      const Step step{*narrow, std::span(ids).subspan(narrow->size(), n), LogitRows::kLast};
      runner->forward({&step, 1}, logits);
    }
    float worst = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) worst = std::max(worst, std::fabs(logits.row(0)[i] - exact[i]));
    EXPECT_LE(worst, allowed * scale);
    std::stringstream own;
    narrow->save(own);
    EXPECT_EQ(runner->load_cache(own)->size(), ids.size());
    if (type == CacheType::kFloat32) continue;
    EXPECT_GT(worst, 0.0f) << "nothing was rounded";
    EXPECT_LT(own.str().size(), saved.str().size() * 6 / 10);
    saved.seekg(0);
    EXPECT_THROW((void)runner->load_cache(saved), Error);
  }
}

TEST_F(EveryRunner, RewindThenReplayGivesTheSameLogits) {
  const auto ids = tokens(40), other = tokens(20, 2);
  auto cache = runner_->new_cache();
  forward(*cache, ids);
  cache->truncate(25);
  EXPECT_EQ(cache->size(), 25u);
  const Logits logits = forward(*cache, other);
  std::vector<Token> whole(ids.begin(), ids.begin() + 25);
  whole.insert(whole.end(), other.begin(), other.end());
  expect_same(logits.row(0), fresh(whole));
}

TEST_F(EveryRunner, RewindToNothingIsAFreshCache) {
  const auto ids = tokens(30), other = tokens(12, 3);
  auto cache = runner_->new_cache();
  forward(*cache, ids);
  cache->truncate(0);
  expect_same(forward(*cache, other).row(0), fresh(other));
}

TEST_F(EveryRunner, ForkGoesItsOwnWay) {
  const auto ids = tokens(130), left = tokens(9, 2), right = tokens(7, 3);
  auto cache = runner_->new_cache();
  forward(*cache, ids);
  const auto fork = cache->fork();
  EXPECT_EQ(fork->size(), ids.size());
  const Logits from_cache = forward(*cache, left);
  const Logits from_fork = forward(*fork, right);
  auto whole_left = ids, whole_right = ids;
  whole_left.insert(whole_left.end(), left.begin(), left.end());
  whole_right.insert(whole_right.end(), right.begin(), right.end());
  expect_same(from_cache.row(0), fresh(whole_left));
  expect_same(from_fork.row(0), fresh(whole_right));
}

TEST_F(EveryRunner, TwoCachesDoNotMix) {
  const auto a = tokens(20, 4), b = tokens(31, 5);
  auto cache_a = runner_->new_cache(), cache_b = runner_->new_cache();
  forward(*cache_a, std::span(a).first(10));
  forward(*cache_b, std::span(b).first(15));
  const Logits last_a = forward(*cache_a, std::span(a).subspan(10));
  const Logits last_b = forward(*cache_b, std::span(b).subspan(15));
  expect_same(last_a.row(0), fresh(a));
  expect_same(last_b.row(0), fresh(b));
}

TEST_F(EveryRunner, FourStepsOfFourSequencesEqualFourCalls) {
  const std::vector<std::vector<Token>> before = {tokens(5, 6), {}, tokens(150, 7), {}};
  const std::vector<std::vector<Token>> now = {tokens(1, 8), tokens(37, 9), tokens(1, 10), tokens(4, 11)};
  const LogitRows rows[] = {LogitRows::kLast, LogitRows::kLast, LogitRows::kLast, LogitRows::kAll};
  std::vector<std::unique_ptr<Cache>> caches;
  std::vector<Step> steps;
  for (std::size_t i = 0; i < now.size(); ++i) {
    caches.push_back(runner_->new_cache());
    if (!before[i].empty()) forward(*caches[i], before[i]);
    steps.push_back({*caches[i], now[i], rows[i]});
  }
  Logits together;
  runner_->forward(steps, together);
  ASSERT_EQ(together.rows(), 3u + 4u);
  for (std::size_t i = 0; i < now.size(); ++i) {
    auto whole = before[i];
    whole.insert(whole.end(), now[i].begin(), now[i].end());
    EXPECT_EQ(caches[i]->size(), whole.size());
    expect_same(together.row(i < 3 ? i : together.rows() - 1), fresh(whole));
  }
}

TEST_F(EveryRunner, MoreSequencesThanOneCallHasRowsFor) {
  constexpr std::size_t kSequences = 40;
  std::vector<std::unique_ptr<Cache>> caches;
  std::vector<std::vector<Token>> ids;
  std::vector<Step> steps;
  if (file_->asset("weft.json")->find("\"in_graph\"") != std::string::npos) {
    GTEST_SKIP() << "a program with its cache in the graph loads its weights once for each sequence";
  }
  for (std::size_t i = 0; i < kSequences; ++i) {
    caches.push_back(runner_->new_cache());
    ids.push_back(tokens(1 + i % 9, static_cast<std::uint32_t>(20 + i)));
  }
  for (std::size_t i = 0; i < kSequences; ++i) steps.push_back({*caches[i], ids[i]});
  Logits together;
  runner_->forward(steps, together);
  for (std::size_t i = 0; i < kSequences; ++i) expect_same(together.row(i), fresh(ids[i]));
}

TEST_F(EveryRunner, SavedCacheGoesOnWhereItStopped) {
  const auto ids = tokens(140), more = tokens(6, 2);
  auto cache = runner_->new_cache();
  forward(*cache, ids);
  std::stringstream saved;
  cache->save(saved);
  const auto loaded = runner_->load_cache(saved);
  EXPECT_EQ(loaded->size(), ids.size());
  expect_same(forward(*loaded, more).row(0), [&] {
    auto whole = ids;
    whole.insert(whole.end(), more.begin(), more.end());
    return fresh(whole);
  }());
}

TEST_F(EveryRunner, RefusesASavedCacheThatWasCutOrIsForeign) {
  auto cache = runner_->new_cache();
  forward(*cache, tokens(20));
  std::stringstream out;
  cache->save(out);
  const std::string saved = out.str();
  for (const std::size_t n : {std::size_t{0}, std::size_t{7}, std::size_t{20}, saved.size() / 2, saved.size() - 1}) {
    std::istringstream in(saved.substr(0, n));
    EXPECT_THROW((void)runner_->load_cache(in), Error) << n << " of " << saved.size() << " bytes";
  }
  std::string foreign = saved;
  foreign[0] = static_cast<char>(foreign[0] ^ 1);
  std::istringstream in(foreign);
  EXPECT_THROW((void)runner_->load_cache(in), Error);
}

TEST_F(EveryRunner, FullContextIsRefusedBeforeAnythingChanges) {
  auto small = file_->load_runner({.threads = 2, .max_context = 32});
  EXPECT_EQ(small->max_context(), 32u);
  auto cache = small->new_cache();
  const auto ids = tokens(30);
  Logits logits;
  const Step fits{*cache, ids};
  small->forward({&fits, 1}, logits);
  try {
    const auto more = tokens(3, 2);
    const Step step{*cache, more};
    small->forward({&step, 1}, logits);
    FAIL() << "33 tokens went into a cache of 32";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kContextFull);
    EXPECT_NE(std::string(error.what()).find("33 tokens, but its cache holds 32"), std::string::npos) << error.what();
    EXPECT_FALSE(error.fix().empty());
  }
  EXPECT_EQ(cache->size(), 30u);
  const auto last = tokens(2, 3);
  auto whole = ids;
  whole.insert(whole.end(), last.begin(), last.end());
  const Step step{*cache, last};
  small->forward({&step, 1}, logits);
  expect_same(logits.row(0), fresh(whole));
}

TEST_F(EveryRunner, RefusesWrongArguments) {
  auto cache = runner_->new_cache();
  Logits logits;
  const std::vector<Token> good = {1}, negative = {-1}, beyond = {static_cast<Token>(runner_->vocab_size())};
  const auto code_of = [&](std::vector<Step> steps) {
    try {
      runner_->forward(steps, logits);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code_of({}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({{*cache, {}}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({{*cache, negative}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({{*cache, beyond}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({{*cache, good}, {*cache, good}}), ErrorCode::kInvalidArgument);
  auto other = file_->load_runner({.threads = 2});
  auto foreign = other->new_cache();
  EXPECT_EQ(code_of({{*foreign, good}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(cache->size(), 0u);
  EXPECT_THROW(cache->truncate(1), Error);
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s MODEL [GoogleTest flags]\n", argv[0]);
    return 2;
  }
  weft::model_path = argv[1];
  return RUN_ALL_TESTS();
}
