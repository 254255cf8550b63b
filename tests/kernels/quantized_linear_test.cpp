#include "weft/kernels/quantized_linear.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>

#include "kernels/variants.h"
#include "weft/kernels/thread_pool.h"

namespace weft::kernels {

namespace portable {  // kernels_test builds it: tests/kernels/variant_portable.cpp
extern const Variant variant;
}

namespace {

const ParallelFor kSerial = [](std::size_t n, RangeBody body) { body(0, n); };

// QuantizedRows' panels of [rows, columns].
template <class Number>
std::vector<Number> panels_of(const std::vector<Number>& numbers, std::size_t columns, std::size_t panel_rows) {
  const std::size_t rows = numbers.size() / columns;
  std::vector<Number> panels((rows + panel_rows - 1) / panel_rows * panel_rows * columns);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < columns; ++i) {
      panels[(row / panel_rows * columns + i) * panel_rows + row % panel_rows] = numbers[row * columns + i];
    }
  }
  return panels;
}

// m input rows, n features, k columns, bits, minima.
class Quantized : public testing::TestWithParam<std::tuple<std::size_t, std::size_t, std::size_t, int, bool>> {
 protected:
  void SetUp() override {
    std::tie(m_, n_, k_, bits_, minimum_) = GetParam();
    matrix_ = {nullptr, n_, k_, bits_, minimum_};
    data_.resize(matrix_.bytes());
    std::mt19937 random(5);
    for (std::uint8_t& byte : data_) byte = static_cast<std::uint8_t>(random());
    if (bits_ >= 16) {  // every kind of number from 2^-63 to 1
      for (std::size_t i = static_cast<std::size_t>(bits_) / 8 - 1; i < data_.size(); i += static_cast<std::size_t>(bits_) / 8) data_[i] = static_cast<std::uint8_t>((data_[i] & 0x9f) | 0x20);
    }
    // Scales and minima of every kind: normal, subnormal, negative, zero; none as large as an infinity.
    for (std::size_t at = 0; at < data_.size(); at += matrix_.group_bytes()) {
      for (std::size_t i = 0; i < matrix_.head_bytes() / 2; ++i) data_[at + 2 * i + 1] &= 0xb3;
    }
    matrix_.data = data_.data();
    std::normal_distribution<float> normal;
    input_.resize(m_ * k_);
    for (float& x : input_) x = normal(random);
    bias_.resize(n_);
    for (float& x : bias_) x = normal(random);
    out_.assign(m_ * n_, NAN);
    std::vector<std::int64_t> ids(n_);
    for (std::size_t i = 0; i < n_; ++i) ids[i] = static_cast<std::int64_t>(i);
    dense_.resize(n_ * k_);
    ASSERT_TRUE(quantized_embedding(ids, matrix_, dense_.data()));
  }
  // Activations of 8 bits, by the definition.
  struct Rounded {
    std::vector<std::int8_t> codes;
    std::vector<float> scales, sums, values;
    std::vector<std::int32_t> starts;
    Rounded(std::size_t m, std::size_t k) : values(m * k) {
      const std::size_t n = Int8Panels{m, k / kGroup}.room();
      codes.resize(n * kGroup), scales.resize(n), sums.resize(n), starts.resize(n);
    }
  };
  // Where the g-th group of all rows lies, in the panels of 16 rows or fewer of variants.h: [M / P, K / kGroup, P].
  [[nodiscard]] std::size_t place(std::size_t g) const {
    const std::size_t groups = k_ / kGroup, row = g / groups, panel_rows = std::min<std::size_t>(m_, 16);
    return (row / 16 * groups + g % groups) * panel_rows + row % 16;
  }
  [[nodiscard]] Rounded round(const std::vector<float>& input) const {
    Rounded rounded(m_, k_);
    for (std::size_t g = 0; g < m_ * k_ / kGroup; ++g) {
      const std::size_t at = place(g);
      float largest = 0;
      for (std::size_t i = 0; i < kGroup; ++i) largest = std::max(largest, std::fabs(input[g * kGroup + i]));
      const float scale = largest > 1e-30f ? largest / 127.0f : 0.0f;
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < kGroup; ++i) {
        const float code = scale > 0 ? std::nearbyint(input[g * kGroup + i] / scale) : 0.0f;
        rounded.codes[at * kGroup + i] = static_cast<std::int8_t>(code);
        rounded.values[g * kGroup + i] = scale * code;
        sum += static_cast<std::int32_t>(code);
      }
      rounded.scales[at] = scale;
      rounded.sums[at] = scale * static_cast<float>(sum) * sum_factor(matrix_);
      rounded.starts[at] = -128 * sum;
    }
    return rounded;
  }
  // Rounded to nearest, ties to even, by the definition: to 8 bits of the number.
  static std::vector<float> to_bfloat16(std::vector<float> numbers) {
    for (float& x : numbers) {
      int exponent = 0;
      std::frexp(x, &exponent);
      x = std::ldexp(std::nearbyint(std::ldexp(x, 8 - exponent)), exponent - 8);
    }
    return numbers;
  }
  // What this kind of weight can be multiplied with.
  [[nodiscard]] std::vector<Activations> activations() const {
    if (bits_ == 32) return {Activations::kFloat32};
    if (bits_ == 16) return {Activations::kFloat32, Activations::kBFloat16};
    return {Activations::kFloat32, Activations::kInt8};
  }
  // Those that this processor runs, and AVX-512 VNNI's algorithm in portable code.
  static std::vector<const Variant*> every_int8_variant() {
    auto variants = runnable_variants();
    variants.push_back(&portable::variant);
    return variants;
  }
  [[nodiscard]] std::size_t tiles() const { return (n_ + kTileRows - 1) / kTileRows; }
  [[nodiscard]] QuantizedLinearArguments arguments(const std::vector<float>& input) {
    out_.assign(m_ * n_, NAN);
    return {.input = input.data(), .rows = m_, .weight = matrix_, .out = out_.data()};
  }
  void expect_right(const std::vector<float>& input, const float* bias) const {
    for (std::size_t i = 0; i < m_; ++i) {
      for (std::size_t j = 0; j < n_; ++j) {
        double total = bias != nullptr ? bias[j] : 0.0, size = std::fabs(total);
        for (std::size_t x = 0; x < k_; ++x) {
          total += double{input[i * k_ + x]} * dense_[j * k_ + x];
          size += std::fabs(double{input[i * k_ + x]} * dense_[j * k_ + x]);
        }
        ASSERT_NEAR(out_[i * n_ + j], total, 1e-6 * size + 1e-7) << "row " << i << ", feature " << j;
      }
    }
  }
  std::size_t m_, n_, k_;
  int bits_;
  bool minimum_;
  QuantizedMatrix matrix_;
  std::vector<std::uint8_t> data_;
  std::vector<float> input_, bias_, dense_, out_;
};

TEST_P(Quantized, EqualsTheDequantisedMatrixInEveryVariant) {
  std::vector<float> sums(m_ * k_ / kGroup);
  for (std::size_t g = 0; g < sums.size(); ++g) {
    for (std::size_t i = 0; i < kGroup; ++i) sums[g] += input_[g * kGroup + i];
  }
  for (const Variant* each : runnable_variants()) {
    SCOPED_TRACE(each->name);
    const std::vector<float> panels = panels_of(input_, k_, each->panel_rows);
    out_.assign(m_ * n_, NAN);
    each->quantized_rows({{matrix_, nullptr, nullptr, out_.data(), n_, 0, m_}, input_.data(), panels.data(), sums.data(), nullptr, nullptr},
                         0, tiles());
    expect_right(input_, nullptr);
  }
}

TEST_P(Quantized, EqualsTheProductWithBFloat16ActivationsInEveryVariant) {
  if (bits_ != 16) {
    auto a = arguments(input_);
    a.activations = Activations::kBFloat16;
    EXPECT_NE(quantized_linear(a, kSerial), nullptr);
    return;
  }
  const std::vector<float> rounded = to_bfloat16(input_);
  std::vector<std::uint32_t> pairs(m_ * k_ / 2);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = std::bit_cast<std::uint32_t>(rounded[2 * i]) >> 16 | std::bit_cast<std::uint32_t>(rounded[2 * i + 1]);
  }
  for (const Variant* each : runnable_variants()) {
    if (!each->multiplies_bfloat16) continue;
    SCOPED_TRACE(each->name);
    const std::vector<std::uint32_t> panels = panels_of(pairs, k_ / 2, each->panel_rows);
    out_.assign(m_ * n_, NAN);
    each->quantized_rows({{matrix_, nullptr, nullptr, out_.data(), n_, 0, m_}, nullptr, nullptr, nullptr, pairs.data(), panels.data()}, 0, tiles());
    expect_right(rounded, nullptr);
  }
  // However this processor does it.
  auto a = arguments(input_);
  a.activations = Activations::kBFloat16;
  ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
  expect_right(rounded, nullptr);
}

TEST_P(Quantized, EqualsTheProductWithRoundedActivationsInEveryVariant) {
  if (bits_ >= 16) {
    auto a = arguments(input_);
    a.activations = Activations::kInt8;
    EXPECT_NE(quantized_linear(a, kSerial), nullptr);
    return;
  }
  const Rounded rounded = round(input_);
  for (const Variant* each : every_int8_variant()) {
    SCOPED_TRACE(each->name);
    out_.assign(m_ * n_, NAN);
    each->int8_rows({{matrix_, nullptr, nullptr, out_.data(), n_, 0, m_},
                     rounded.codes.data(), rounded.scales.data(), rounded.sums.data(), rounded.starts.data()}, 0, tiles());
    expect_right(rounded.values, nullptr);
  }
}

TEST_P(Quantized, RoundsActivationsToTheNearestOf255StepsInEveryVariant) {
  for (std::size_t i = 0; i < kGroup; ++i) input_[i] = 0;  // a group of nothing
  input_[kGroup * (k_ / kGroup - 1)] = -1e-38f;
  const Rounded expected = round(input_);
  for (const Variant* each : runnable_variants()) {
    SCOPED_TRACE(each->name);
    Rounded actual(m_, k_);
    each->round_rows({input_.data(), m_, k_, sum_factor(matrix_), actual.codes.data(), actual.scales.data(), actual.sums.data(),
                      actual.starts.data()}, 0, m_);
    EXPECT_EQ(actual.scales, expected.scales);
    for (std::size_t i = 0; i < m_ * k_; ++i) {
      // A value in the middle of two steps may go either way.
      const std::size_t at = place(i / kGroup);
      const float scale = actual.scales[at];
      ASSERT_NEAR(actual.codes[at * kGroup + i % kGroup] * scale, input_[i], 0.5001f * scale + 1e-30f) << i;
    }
    for (std::size_t g = 0; g < m_ * k_ / kGroup; ++g) {
      std::int32_t sum = 0;
      const std::size_t at = place(g);
      for (std::size_t i = 0; i < kGroup; ++i) sum += actual.codes[at * kGroup + i];
      ASSERT_EQ(actual.starts[at], -128 * sum);
      ASSERT_EQ(actual.sums[at], actual.scales[at] * static_cast<float>(sum) * sum_factor(matrix_));
    }
  }
}

TEST_P(Quantized, AddsBiasAndResidual) {
  std::vector<float> residual(m_ * n_, 3.0f);
  auto a = arguments(input_);
  a.bias = bias_.data();
  ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
  expect_right(input_, bias_.data());
  const std::vector<float> without = out_;
  a.residual = residual.data();
  ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
  for (std::size_t i = 0; i < out_.size(); ++i) ASSERT_EQ(out_[i], without[i] + 3.0f);
}

TEST_P(Quantized, ARowDoesNotDependOnItsNeighboursOrThreads) {
  ThreadPool threads(3);
  for (const Activations activations : activations()) {
    auto a = arguments(input_);
    a.activations = activations;
    ASSERT_EQ(quantized_linear(a, threads.parallel_for()), nullptr);
    std::vector<float> alone(n_);
    a.input += (m_ - 1) * k_;
    a.rows = 1;
    a.out = alone.data();
    ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
    for (std::size_t j = 0; j < n_; ++j) ASSERT_EQ(out_[(m_ - 1) * n_ + j], alone[j]) << "feature " << j;
  }
}

TEST_P(Quantized, NormalisesTheInputFirst) {
  std::vector<float> weight(k_), normed(m_ * k_);
  for (std::size_t i = 0; i < k_; ++i) weight[i] = 0.5f + static_cast<float>(i % 7);
  for (std::size_t r = 0; r < m_; ++r) {
    double squares = 0;
    for (std::size_t i = 0; i < k_; ++i) squares += double{input_[r * k_ + i]} * input_[r * k_ + i];
    for (std::size_t i = 0; i < k_; ++i) {
      normed[r * k_ + i] = static_cast<float>(input_[r * k_ + i] / std::sqrt(squares / static_cast<double>(k_) + 1e-5) * weight[i]);
    }
  }
  auto a = arguments(input_);
  a.norm_weight = weight.data();
  a.norm_epsilon = 1e-5f;
  ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
  expect_right(normed, nullptr);
}

TEST_P(Quantized, GatesTheFirstHalfOfTheFeaturesIntoTheSecond) {
  if (n_ % 32 != 0) {
    auto a = arguments(input_);
    a.gate = Gate::kSilu;
    EXPECT_NE(quantized_linear(a, kSerial), nullptr);
    return;
  }
  for (const Activations activations : activations()) {
    auto a = arguments(input_);
    a.activations = activations;
    ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
    const std::vector<float> both = out_;
    for (const Gate gate : {Gate::kSilu, Gate::kGeluTanh}) {
      a.gate = gate;
      ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
      for (std::size_t r = 0; r < m_; ++r) {
        for (std::size_t j = 0; j < n_ / 2; ++j) {
          const double g = both[r * n_ + j], u = both[r * n_ + n_ / 2 + j];
          const double inner = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
          const double expected = (gate == Gate::kSilu ? g / (1 + std::exp(-g)) : 0.5 * g * (1 + std::tanh(inner))) * u;
          ASSERT_NEAR(out_[r * (n_ / 2) + j], expected, 1e-5 * std::fabs(g * u) + 1e-6) << "row " << r << ", feature " << j;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Quantized,
                         testing::Combine(testing::Values(1, 3, 8, 15, 43), testing::Values(1, 16, 50, 192), testing::Values(32, 96, 576),
                                          testing::Values(4, 8), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(Floats, Quantized,
                         testing::Combine(testing::Values(1, 3, 8, 43), testing::Values(1, 50, 192), testing::Values(32, 96, 576),
                                          testing::Values(16, 32), testing::Values(false)));

// More rows and columns than pass over a tile's weights at a time.
INSTANTIATE_TEST_SUITE_P(Parts, Quantized,
                         testing::Combine(testing::Values(67, 130), testing::Values(50), testing::Values(2080), testing::Values(4, 8, 16, 32),
                                          testing::Values(false)));
INSTANTIATE_TEST_SUITE_P(PartsWithMinima, Quantized,
                         testing::Combine(testing::Values(67), testing::Values(50), testing::Values(2080), testing::Values(4, 8), testing::Values(true)));

TEST(QuantizedLinear, RoundsToBFloat16TiesToEvenAndKeepsWhatIsNoNumber) {
  // One feature of weights 1, 0, 0, ...: the result is the rounded input.
  QuantizedMatrix matrix{nullptr, 1, 32, 16, false};
  std::vector<std::uint8_t> data(matrix.bytes());
  data[0] = 0x80, data[1] = 0x3f;
  matrix.data = data.data();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::pair<float, float> cases[] = {{1.0f, 1.0f},
                                           {1.0f + 0x1p-8f, 1.0f},              // a tie: to the even one below
                                           {1.0f + 3 * 0x1p-8f, 1.0f + 0x1p-6f},  // and above
                                           {1.0f + 0x1p-8f + 0x1p-23f, 1.0f + 0x1p-7f},
                                           {-3.4028235e38f, -infinity},  // nearer to what follows the largest bfloat16
                                           {infinity, infinity}};
  for (const auto& [x, expected] : cases) {
    for (const std::size_t rows : {1, 3}) {
      std::vector<float> input(rows * 32), out(rows);
      for (std::size_t row = 0; row < rows; ++row) input[row * 32] = x;
      const QuantizedLinearArguments a{.input = input.data(), .rows = rows, .weight = matrix, .out = out.data(), .activations = Activations::kBFloat16};
      ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
      EXPECT_EQ(out, std::vector<float>(rows, expected)) << x;
    }
  }
  std::vector<float> input(32), out(1);
  for (const std::uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffffffffu}) {
    input[0] = std::bit_cast<float>(bits);
    const QuantizedLinearArguments a{.input = input.data(), .rows = 1, .weight = matrix, .out = out.data(), .activations = Activations::kBFloat16};
    ASSERT_EQ(quantized_linear(a, kSerial), nullptr);
    EXPECT_TRUE(std::isnan(out[0])) << bits;
  }
}

TEST(QuantizedEmbedding, UnpacksEveryFieldOfTheLayout) {
  // One tile, one group, 4 bits with minima: row 2 has scale 0.5, minimum -1, codes 0, 1, 2, ... 15, 0, 1, ...
  QuantizedMatrix matrix{nullptr, 3, 32, 4, true};
  ASSERT_EQ(matrix.bytes(), 16u * 2 + 16 * 2 + 16 * 16);
  std::vector<std::uint8_t> data(matrix.bytes());
  data[2 * 2 + 1] = 0x38;         // f16 0.5
  data[32 + 2 * 2 + 1] = 0xbc;    // f16 -1
  for (std::size_t v = 0; v < 4; ++v) {
    const std::uint32_t word = v % 2 == 0 ? 0x73625140 : 0xfbead9c8;
    for (std::size_t byte = 0; byte < 4; ++byte) data[64 + (v * 16 + 2) * 4 + byte] = static_cast<std::uint8_t>(word >> (8 * byte));
  }
  matrix.data = data.data();
  std::vector<float> out(32);
  const std::int64_t id = 2;
  ASSERT_TRUE(quantized_embedding({&id, 1}, matrix, out.data()));
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(out[i], 0.5f * static_cast<float>(i % 16) - 1.0f) << i;
}

TEST(QuantizedEmbedding, GivesBFloat16Exactly) {
  QuantizedMatrix matrix{nullptr, 17, 64, 16, false};
  ASSERT_EQ(matrix.bytes(), 2u * 2 * 16 * 64);
  std::vector<std::uint8_t> data(matrix.bytes());
  // Row 16, the second tile's first: column 0 is 1.5, column 33 is -2.
  data[2 * 16 * 64 + 1] = 0x3f, data[2 * 16 * 64] = 0xc0;
  data[3 * 16 * 64 + 3] = 0xc0;
  matrix.data = data.data();
  std::vector<float> out(64);
  const std::int64_t id = 16;
  ASSERT_TRUE(quantized_embedding({&id, 1}, matrix, out.data()));
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(out[i], i == 0 ? 1.5f : i == 33 ? -2.0f : 0.0f) << i;
}

TEST(QuantizedEmbedding, RefusesIdsOutsideOfTheMatrix) {
  std::vector<std::uint8_t> data(QuantizedMatrix{nullptr, 3, 32, 8, false}.bytes());
  const QuantizedMatrix matrix{data.data(), 3, 32, 8, false};
  std::vector<float> out(32);
  for (const std::int64_t id : {-1, 3, 1 << 30}) EXPECT_FALSE(quantized_embedding({&id, 1}, matrix, out.data())) << id;
}

TEST(QuantizedMatrix, HasNoBytesForShapesThatTheLayoutLacks) {
  EXPECT_EQ((QuantizedMatrix{nullptr, 4, 48, 4, false}.bytes()), 0u);
  EXPECT_EQ((QuantizedMatrix{nullptr, 4, 0, 4, false}.bytes()), 0u);
  EXPECT_EQ((QuantizedMatrix{nullptr, 4, 64, 5, false}.bytes()), 0u);
  EXPECT_EQ((QuantizedMatrix{nullptr, 4, 64, 16, true}.bytes()), 0u);
  EXPECT_EQ((QuantizedMatrix{nullptr, 4, 64, 32, true}.bytes()), 0u);
}

}  // namespace
}  // namespace weft::kernels
