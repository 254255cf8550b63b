#include "weft/kernels/quantized_linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>

#include "tests/kernels/runnable_variants.h"

namespace weft::kernels {
namespace {

const ParallelFor kSerial = [](std::size_t n, const std::function<void(std::size_t, std::size_t)>& body) { body(0, n); };

// m input rows, n features, k columns, bits, minima.
class Quantized : public testing::TestWithParam<std::tuple<std::size_t, std::size_t, std::size_t, int, bool>> {
 protected:
  void SetUp() override {
    std::tie(m_, n_, k_, bits_, minimum_) = GetParam();
    matrix_ = {nullptr, n_, k_, bits_, minimum_};
    data_.resize(matrix_.bytes());
    std::mt19937 random(5);
    for (std::uint8_t& byte : data_) byte = static_cast<std::uint8_t>(random());
    // Scales and minima of every kind: normal, subnormal, negative, zero; none as large as an infinity.
    for (std::size_t at = 0; at < data_.size(); at += matrix_.group_bytes()) {
      for (std::size_t i = 0; i < kTileRows * (minimum_ ? 2u : 1u); ++i) data_[at + 2 * i + 1] &= 0xb3;
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
  void expect_right(const float* bias) const {
    for (std::size_t i = 0; i < m_; ++i) {
      for (std::size_t j = 0; j < n_; ++j) {
        double total = bias != nullptr ? bias[j] : 0.0, size = std::fabs(total);
        for (std::size_t x = 0; x < k_; ++x) {
          total += double{input_[i * k_ + x]} * dense_[j * k_ + x];
          size += std::fabs(double{input_[i * k_ + x]} * dense_[j * k_ + x]);
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
  for (const Variant& each : runnable_variants()) {
    SCOPED_TRACE(each.name);
    out_.assign(m_ * n_, NAN);
    each.quantized_rows({input_.data(), sums.data(), matrix_, nullptr, out_.data(), m_}, 0, (n_ + kTileRows - 1) / kTileRows);
    expect_right(nullptr);
  }
}

TEST_P(Quantized, AddsTheBias) {
  quantized_linear(input_.data(), m_, matrix_, bias_.data(), out_.data(), kSerial);
  expect_right(bias_.data());
}

TEST_P(Quantized, ARowDoesNotDependOnItsNeighbours) {
  quantized_linear(input_.data(), m_, matrix_, nullptr, out_.data(), kSerial);
  std::vector<float> alone(n_);
  quantized_linear(input_.data() + (m_ - 1) * k_, 1, matrix_, nullptr, alone.data(), kSerial);
  for (std::size_t j = 0; j < n_; ++j) ASSERT_EQ(out_[(m_ - 1) * n_ + j], alone[j]) << "feature " << j;
}

INSTANTIATE_TEST_SUITE_P(Shapes, Quantized,
                         testing::Combine(testing::Values(1, 3, 8, 15), testing::Values(1, 16, 50), testing::Values(32, 96, 576),
                                          testing::Values(4, 8), testing::Bool()));

TEST(QuantizedEmbedding, UnpacksEveryFieldOfTheLayout) {
  // One tile, one group, 4 bits with minima: row 2 has scale 0.5, minimum -1, codes 0, 1, 2, ... 15, 0, 1, ...
  QuantizedMatrix matrix{nullptr, 3, 32, 4, true};
  ASSERT_EQ(matrix.bytes(), 16u * 2 + 16 * 2 + 16 * 16);
  std::vector<std::uint8_t> data(matrix.bytes());
  data[2 * 2 + 1] = 0x38;         // f16 0.5
  data[32 + 2 * 2 + 1] = 0xbc;    // f16 -1
  for (std::size_t v = 0; v < 4; ++v) {
    const std::uint32_t word = v % 2 == 0 ? 0x76543210 : 0xfedcba98;
    for (std::size_t byte = 0; byte < 4; ++byte) data[64 + (v * 16 + 2) * 4 + byte] = static_cast<std::uint8_t>(word >> (8 * byte));
  }
  matrix.data = data.data();
  std::vector<float> out(32);
  const std::int64_t id = 2;
  ASSERT_TRUE(quantized_embedding({&id, 1}, matrix, out.data()));
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(out[i], 0.5f * static_cast<float>(i % 16) - 1.0f) << i;
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
}

}  // namespace
}  // namespace weft::kernels
