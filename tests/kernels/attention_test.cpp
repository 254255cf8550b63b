#include "weft/kernels/attention.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <ostream>
#include <random>

#include "kernels/variants.h"

namespace weft::kernels {
namespace {

const ParallelFor kSerial = [](std::size_t n, RangeBody body) { body(0, n); };

// One layer's random queries, keys and values of a batch, [heads, tokens, size].
struct Batch {
  std::size_t tokens, heads, kv_heads, key_size, value_size;
  std::vector<float> query, key, value;
  std::vector<std::int64_t> positions;

  Batch(std::size_t tokens_in, std::size_t heads_in, std::size_t kv_heads_in, std::size_t key_size_in, std::size_t value_size_in, unsigned seed)
      : tokens(tokens_in), heads(heads_in), kv_heads(kv_heads_in), key_size(key_size_in), value_size(value_size_in) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& v, std::size_t n) {
      v.resize(n);
      for (float& x : v) x = normal(random);
    };
    fill(query, heads * tokens * key_size);
    fill(key, kv_heads * tokens * key_size);
    fill(value, kv_heads * tokens * value_size);
    positions.resize(tokens);
    for (std::size_t i = 0; i < tokens; ++i) positions[i] = static_cast<std::int64_t>(i);
  }

  // Tokens [begin, end) as they would stand in a batch of their own.
  [[nodiscard]] AttentionArguments arguments(std::size_t begin, std::size_t end, std::vector<float>& out) const {
    out.assign((end - begin) * heads * value_size, NAN);
    AttentionArguments a{.query = {query.data() + begin * key_size, heads, end - begin, key_size, tokens * key_size, key_size},
                         .key = {key.data() + begin * key_size, kv_heads, end - begin, key_size, tokens * key_size, key_size},
                         .value = {value.data() + begin * value_size, kv_heads, end - begin, value_size, tokens * value_size, value_size}};
    a.positions = std::span(positions).subspan(begin, end - begin);
    a.scale = 1.0f / std::sqrt(static_cast<float>(key_size));
    a.out = out.data();
    return a;
  }
};

// What the header promises, in double precision and without any cleverness.
std::vector<float> reference(const Batch& b, const AttentionArguments& a) {
  std::vector<float> out(b.tokens * b.heads * b.value_size);
  for (std::size_t t = 0; t < b.tokens; ++t) {
    for (std::size_t h = 0; h < b.heads; ++h) {
      const std::size_t kv = h / (b.heads / b.kv_heads);
      const auto size = static_cast<std::size_t>(std::abs(a.window));
      const std::size_t first = a.window < 0 ? t / size * size : size > 0 && t + 1 > size ? t + 1 - size : 0;
      std::vector<double> score;
      double top = a.sinks.empty() ? -INFINITY : a.sinks[h];
      for (std::size_t j = first; j <= t; ++j) {
        double s = 0;
        for (std::size_t d = 0; d < b.key_size; ++d) {
          s += double{b.query[(h * b.tokens + t) * b.key_size + d]} * b.key[(kv * b.tokens + j) * b.key_size + d];
        }
        s *= a.scale;
        if (a.softcap > 0) s = a.softcap * std::tanh(s / a.softcap);
        score.push_back(s);
        top = std::max(top, s);
      }
      double sum = a.sinks.empty() ? 0 : std::exp(a.sinks[h] - top);
      for (double& s : score) sum += s = std::exp(s - top);
      for (std::size_t d = 0; d < b.value_size; ++d) {
        double total = 0;
        for (std::size_t j = first; j <= t; ++j) total += score[j - first] * b.value[(kv * b.tokens + j) * b.value_size + d];
        out[(t * b.heads + h) * b.value_size + d] = static_cast<float>(total / sum);
      }
    }
  }
  return out;
}

KvCache make_cache(const Batch& b, std::size_t capacity = 1024, KvType type = KvType::kFloat32) {
  return KvCache({{static_cast<std::uint32_t>(b.kv_heads), static_cast<std::uint32_t>(b.key_size), static_cast<std::uint32_t>(b.value_size)}},
                 capacity, type);
}

const char* run(KvCache& cache, AttentionArguments a, bool float_activations = false) {
  const Sequence sequence{&cache, a.query.tokens};
  const ForwardScope scope({&sequence, 1}, kSerial, float_activations);
  a.context = scope.handle();
  const char* problem = attention(a);
  if (problem == nullptr) cache.set_size(cache.size() + a.query.tokens);
  return problem;
}

void expect_near(std::span<const float> actual, std::span<const float> expected, float tolerance = 2e-6f) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], tolerance) << "at " << i;
}

struct Case {
  std::size_t tokens, heads, kv_heads, key_size, value_size;
  std::int64_t window;
  float softcap;
  bool sinks;

  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << c.tokens << " tokens, heads " << c.heads << "/" << c.kv_heads << ", sizes " << c.key_size << "/" << c.value_size << ", window "
         << c.window << ", softcap " << c.softcap << (c.sinks ? ", sinks" : "");
  }
};

// All tokens of a case's batch; `sinks` holds what the arguments point to.
AttentionArguments arguments_of(const Case& c, const Batch& batch, std::vector<float>& out, std::vector<float>& sinks) {
  AttentionArguments arguments = batch.arguments(0, c.tokens, out);
  arguments.window = c.window;
  arguments.softcap = c.softcap;
  sinks.clear();
  for (std::size_t h = 0; c.sinks && h < c.heads; ++h) sinks.push_back(static_cast<float>(h) - 1.0f);
  arguments.sinks = sinks;
  return arguments;
}

class Attention : public testing::TestWithParam<Case> {};

TEST_P(Attention, EqualsTheReference) {
  const Case c = GetParam();
  const Batch batch(c.tokens, c.heads, c.kv_heads, c.key_size, c.value_size, 1);
  std::vector<float> out, sinks;
  const AttentionArguments arguments = arguments_of(c, batch, out, sinks);
  KvCache cache = make_cache(batch);
  ASSERT_EQ(run(cache, arguments), nullptr);
  expect_near(out, reference(batch, arguments));
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Case{1, 1, 1, 1, 1, 0, 0, false}, Case{5, 4, 2, 8, 8, 0, 0, false},
                                         Case{200, 9, 3, 64, 64, 0, 0, false}, Case{131, 8, 8, 48, 20, 0, 0, false},
                                         Case{300, 4, 1, 256, 256, 0, 0, false}, Case{300, 6, 2, 32, 32, 7, 0, false},
                                         Case{300, 6, 2, 32, 32, 130, 0, false}, Case{90, 2, 1, 80, 80, 0, 5.0f, false},
                                         Case{300, 6, 2, 32, 32, -40, 0, false}, Case{90, 4, 2, 64, 64, 16, 0, true}, Case{3, 10, 2, 24, 40, 0, 0, true}));

// The nearest bfloat16.
float to_bfloat16(float x) { return std::bit_cast<float>(bfloat16_bits(x) << 16); }

// A batch as a cache of that type keeps it.
Batch rounded(Batch batch, KvType type) {
  const auto round = [type](std::vector<float>& rows, std::size_t size) {
    for (std::size_t at = 0; at < rows.size(); at += size) {
      float largest = 0;
      for (std::size_t d = 0; d < size; ++d) largest = std::max(largest, std::fabs(rows[at + d]));
      for (std::size_t d = 0; d < size; ++d) {
        float& x = rows[at + d];
        if (type == KvType::kInt8) {
          x = std::nearbyint(x / (largest / 127)) * (largest / 127);
        } else if (type == KvType::kFloat16) {
          const int exponent = std::max(std::ilogb(x), -14);
          x = std::copysign(std::min(std::fabs(std::ldexp(std::nearbyint(std::ldexp(x, 10 - exponent)), exponent - 10)), 65504.0f), x);
        } else if (type == KvType::kBFloat16) {
          x = to_bfloat16(x);
        }
      }
    }
  };
  round(batch.key, batch.key_size);
  round(batch.value, batch.value_size);
  return batch;
}

class CacheTypes : public testing::TestWithParam<KvType> {};

TEST_P(CacheTypes, GiveWhatTheyKeep) {
  for (const Case& c : {Case{200, 9, 3, 64, 64, 0, 0, false}, Case{131, 8, 8, 48, 20, 0, 0, false}, Case{300, 6, 2, 33, 32, 130, 5.0f, false}}) {
    Batch batch(c.tokens, c.heads, c.kv_heads, c.key_size, c.value_size, 1);
    batch.value[0] = 0;
    batch.key[5] = 3e-7f;  // an f16 below the normal ones
    std::vector<float> out, sinks;
    const AttentionArguments arguments = arguments_of(c, batch, out, sinks);
    KvCache cache = make_cache(batch, 1024, GetParam());
    ASSERT_EQ(run(cache, arguments, /*float_activations=*/true), nullptr);
    expect_near(out, reference(rounded(batch, GetParam()), arguments), 5e-6f);
  }
}

// Scores of queries and a result of weights that have 8 bits, each 2^-9 off at most.
TEST(Attention, RoundsQueriesAndWeightsAsABFloat16CacheDoes) {
  for (const Case& c : {Case{200, 9, 3, 64, 64, 0, 0, false}, Case{131, 8, 8, 48, 20, 0, 0, false}, Case{300, 6, 2, 33, 32, 130, 5.0f, false},
                        Case{300, 4, 1, 256, 256, 0, 0, false}, Case{300, 6, 2, 32, 32, -41, 0, false}, Case{90, 4, 2, 64, 64, 17, 0, true},
                        Case{5, 1, 1, 1, 1, 0, 0, false}}) {
    SCOPED_TRACE(testing::PrintToString(c));
    Batch batch(c.tokens, c.heads, c.kv_heads, c.key_size, c.value_size, 1);
    std::vector<float> out, sinks;
    const AttentionArguments arguments = arguments_of(c, batch, out, sinks);
    KvCache cache = make_cache(batch, 1024, KvType::kBFloat16);
    ASSERT_EQ(run(cache, arguments), nullptr);
    Batch as_kept = rounded(batch, KvType::kBFloat16);
    if (variant().multiplies_bfloat16) {
      for (float& x : as_kept.query) x = to_bfloat16(x * arguments.scale) / arguments.scale;
    }
    // What is left are the weights: 2^-9 of the largest values, about 4.
    expect_near(out, reference(as_kept, arguments), variant().multiplies_bfloat16 ? 0x1p-7f : 5e-6f);
  }
}

// What was written behind the kept rows, by a call that was taken back, isn't seen: not even where it shares words with a row that is.
TEST(Attention, SeesNothingBehindTheRowsOfABFloat16Cache) {
  Batch batch(3, 2, 1, 32, 32, 7);
  std::fill(batch.value.begin() + 32, batch.value.end(), NAN);
  std::vector<float> unused, out, alone;
  KvCache cache = make_cache(batch, 8, KvType::kBFloat16), fresh = cache.fork();
  ASSERT_EQ(run(cache, batch.arguments(0, 3, unused)), nullptr);
  cache.set_size(0);
  ASSERT_EQ(run(cache, batch.arguments(0, 1, out)), nullptr);
  ASSERT_EQ(run(fresh, batch.arguments(0, 1, alone)), nullptr);
  EXPECT_EQ(out, alone);
}

TEST_P(CacheTypes, AreReadAlikeInEveryVariant) {
  const Batch batch(150, 4, 1, 40, 40, 6);
  std::vector<float> out;
  auto arguments = batch.arguments(0, 150, out);
  const auto expected = reference(rounded(batch, GetParam()), arguments);
  for (const Variant* each : runnable_variants()) {
    SCOPED_TRACE(each->name);
    KvCache cache = make_cache(batch, 1024, GetParam());
    cache.prepare_rows(0, 0, 150);
    for (std::size_t row = 0; row < 150; ++row) {
      each->keep_row({&batch.key[row * 40], &batch.value[row * 40], 40, 40, &cache.block(0, row / kBlockRows), 0, row % kBlockRows});
    }
    std::vector<float> turned(40), queries(query_floats(40)), scratch(2 * partial_floats(48)), result(4 * 40);
    AttentionRows rows{};
    rows.n = 4;
    rows.queries = queries.data();
    rows.cache = &cache;
    rows.key_size = rows.value_size = 40;
    for (std::size_t head = 0; head < 4; ++head) {
      each->turn_row({&batch.query[(head * 150 + 149) * 40], nullptr, nullptr, 40, arguments.scale, turned.data()});
      for (std::size_t d = 0; d < 40; ++d) queries[d * kMaxRows + head] = turned[d];
      rows.end[head] = 150;
      rows.out[head] = &result[head * 40];
    }
    each->attention_rows(rows, scratch.data(), {});
    expect_near(result, std::span(expected).subspan(149 * 4 * 40), 5e-6f);
  }
}

TEST_P(CacheTypes, GiveTheSameBitsHoweverAPromptIsCut) {
  const Batch batch(290, 6, 2, 64, 64, 2);
  std::vector<float> whole;
  KvCache cache = make_cache(batch, 1024, GetParam());
  ASSERT_EQ(run(cache, batch.arguments(0, 290, whole)), nullptr);
  KvCache cut = make_cache(batch, 1024, GetParam());
  for (std::size_t begin = 0; begin < 290;) {
    const std::size_t end = std::min<std::size_t>(290, begin + (begin % 3 == 0 ? 1 : 64));
    std::vector<float> part;
    ASSERT_EQ(run(cut, batch.arguments(begin, end, part)), nullptr);
    for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], whole[begin * 6 * 64 + i]) << "token " << begin;
    begin = end;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CacheTypes, testing::Values(KvType::kFloat32, KvType::kFloat16, KvType::kInt8, KvType::kBFloat16));

TEST(Attention, KeepsWhatAnF16CannotHoldAsItsLargest) {
  Batch batch(1, 1, 1, 16, 16, 2);
  std::fill(batch.value.begin(), batch.value.end(), -1e6f);
  std::vector<float> out;
  KvCache cache = make_cache(batch, 8, KvType::kFloat16);
  ASSERT_EQ(run(cache, batch.arguments(0, 1, out)), nullptr);
  for (const float x : out) EXPECT_EQ(x, -65504.0f);
}

TEST(Attention, GivesTheSameBitsInARaggedBatchAsAlone) {
  const Batch a(70, 4, 2, 32, 32, 3), b(33, 4, 2, 32, 32, 4);
  std::vector<float> alone_a, alone_b;
  KvCache cache_a = make_cache(a), cache_b = make_cache(b);
  ASSERT_EQ(run(cache_a, a.arguments(0, 70, alone_a)), nullptr);
  ASSERT_EQ(run(cache_b, b.arguments(0, 33, alone_b)), nullptr);

  Batch both(103, 4, 2, 32, 32, 5);
  const auto join = [](std::vector<float>& to, const std::vector<float>& from, std::size_t heads, std::size_t tokens, std::size_t at) {
    for (std::size_t h = 0; h < heads; ++h) std::copy_n(&from[h * tokens * 32], tokens * 32, &to[(h * 103 + at) * 32]);
  };
  join(both.query, a.query, 4, 70, 0), join(both.query, b.query, 4, 33, 70);
  join(both.key, a.key, 2, 70, 0), join(both.key, b.key, 2, 33, 70);
  join(both.value, a.value, 2, 70, 0), join(both.value, b.value, 2, 33, 70);
  for (std::size_t i = 0; i < 33; ++i) both.positions[70 + i] = static_cast<std::int64_t>(i);
  std::vector<float> out;
  auto arguments = both.arguments(0, 103, out);
  KvCache fresh_a = make_cache(a), fresh_b = make_cache(b);
  const Sequence sequences[] = {{&fresh_a, 70}, {&fresh_b, 33}};
  const ForwardScope scope(sequences, kSerial);
  arguments.context = scope.handle();
  ASSERT_EQ(attention(arguments), nullptr);
  alone_a.insert(alone_a.end(), alone_b.begin(), alone_b.end());
  EXPECT_EQ(out, alone_a);
}

TEST(Attention, TurnsQueriesAndKeysByTheirPositions) {
  constexpr std::size_t kTokens = 70, kSize = 32, kHalf = kSize / 2;
  const Batch batch(kTokens, 4, 2, kSize, kSize, 6);
  std::vector<float> cos(kTokens * kSize), sin(kTokens * kSize);
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t d = 0; d < kSize; ++d) {
      const double angle = static_cast<double>(t) * std::pow(0.01, static_cast<double>(d % kHalf) / kHalf);
      cos[t * kSize + d] = static_cast<float>(std::cos(angle));
      sin[t * kSize + d] = static_cast<float>(std::sin(angle));
    }
  }
  Batch turned = batch;
  for (std::vector<float>* states : {&turned.query, &turned.key}) {
    for (std::size_t row = 0; row < states->size() / kSize; ++row) {
      float* x = states->data() + row * kSize;
      const std::size_t t = row % kTokens * kSize;
      for (std::size_t d = 0; d < kHalf; ++d) {
        const double first = x[d], second = x[d + kHalf];
        x[d] = static_cast<float>(first * cos[t + d] - second * sin[t + d]);
        x[d + kHalf] = static_cast<float>(second * cos[t + d + kHalf] + first * sin[t + d + kHalf]);
      }
    }
  }
  std::vector<float> out, unused;
  auto arguments = batch.arguments(0, kTokens, out);
  arguments.rotary_cos = cos.data();
  arguments.rotary_sin = sin.data();
  KvCache cache = make_cache(batch);
  ASSERT_EQ(run(cache, arguments), nullptr);
  expect_near(out, reference(turned, turned.arguments(0, kTokens, unused)), 5e-6f);
}

TEST(Attention, RefusesAHandleOfNoOpenScope) {
  const Batch batch(2, 1, 1, 8, 8, 1);
  std::vector<float> out;
  auto arguments = batch.arguments(0, 2, out);
  EXPECT_NE(attention(arguments), nullptr);
  KvCache cache = make_cache(batch);
  const Sequence sequence{&cache, 2};
  const ForwardScope scope({&sequence, 1}, kSerial);
  arguments.context = scope.handle() + 1;
  EXPECT_NE(attention(arguments), nullptr);
}

TEST(Attention, RefusesShapesThatDoNotFit) {
  const Batch batch(4, 4, 2, 16, 16, 1);
  std::vector<float> out;
  const auto problem = [&](auto change) {
    KvCache cache = make_cache(batch, 8);
    auto arguments = batch.arguments(0, 4, out);
    change(arguments, cache);
    return run(cache, arguments) != nullptr;
  };
  EXPECT_FALSE(problem([](AttentionArguments&, KvCache&) {}));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.layer = 1; }));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.layer = -1; }));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.query.heads = 3; }));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.key.heads = a.value.heads = 1; }));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.value.tokens = 3; }));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.query.size = 8; }));
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.positions = a.positions.first(3); }));
  static const float one_sink = 0;
  EXPECT_TRUE(problem([](AttentionArguments& a, KvCache&) { a.sinks = {&one_sink, 1}; }));
  EXPECT_TRUE(problem([](AttentionArguments&, KvCache& cache) { cache.set_size(1); })) << "positions begin elsewhere";
  EXPECT_TRUE(problem([](AttentionArguments&, KvCache& cache) { cache.set_size(6); })) << "no room";
}

}  // namespace
}  // namespace weft::kernels
