#include "weft/kernels/quantized_experts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "weft/kernels/thread_pool.h"

namespace weft::kernels {
namespace {

constexpr std::size_t kExperts = 5, kFeatures = 48, kColumns = 96;

class QuantizedExperts : public testing::TestWithParam<Activations> {
 protected:
  QuantizedExperts() : matrix_{nullptr, kExperts * kFeatures, kColumns, 4, true}, weight_(matrix_.bytes()), bias_(kExperts * kFeatures) {
    std::mt19937 random(3);
    for (std::uint8_t& byte : weight_) byte = static_cast<std::uint8_t>(random());
    for (std::size_t at = 0; at < weight_.size(); at += matrix_.group_bytes()) {
      for (std::size_t i = 0; i < matrix_.head_bytes() / 2; ++i) weight_[at + 2 * i + 1] &= 0xb3;  // no infinities among the scales
    }
    matrix_.data = weight_.data();
    std::normal_distribution<float> normal;
    for (float& x : bias_) x = normal(random);
    input_.resize(40 * kColumns);
    for (float& x : input_) x = normal(random);
  }
  [[nodiscard]] QuantizedExpertsArguments arguments(const std::vector<std::int64_t>& experts, std::vector<float>& out) const {
    out.assign(experts.size() * kFeatures, NAN);
    return {.input = input_.data(), .experts = experts, .weight = matrix_, .features = kFeatures, .out = out.data(), .bias = bias_.data(),
            .activations = GetParam()};
  }
  // Row by row, each with its expert's own matrix.
  [[nodiscard]] std::vector<float> one_by_one(const std::vector<std::int64_t>& experts) {
    std::vector<float> out(experts.size() * kFeatures);
    QuantizedMatrix one = matrix_;
    one.rows = kFeatures;
    for (std::size_t r = 0; r < experts.size(); ++r) {
      const auto e = static_cast<std::size_t>(experts[r]);
      one.data = weight_.data() + e * one.bytes();
      QuantizedLinearArguments linear{.input = input_.data() + r * kColumns, .rows = 1, .weight = one, .out = out.data() + r * kFeatures};
      linear.bias = bias_.data() + e * kFeatures;
      linear.activations = GetParam();
      EXPECT_EQ(quantized_linear(linear, pool_.parallel_for()), nullptr);
    }
    return out;
  }

  ThreadPool pool_{2};
  QuantizedMatrix matrix_;
  std::vector<std::uint8_t> weight_;
  std::vector<float> bias_, input_;
};

TEST_P(QuantizedExperts, EachRowGetsItsOwnExpertToTheBit) {
  std::mt19937 random(4);
  for (const std::size_t rows : {0, 1, 2, 7, 40}) {
    std::vector<std::int64_t> experts(rows);
    for (std::int64_t& e : experts) e = static_cast<std::int64_t>(random() % kExperts);
    std::vector<float> out;
    ASSERT_EQ(quantized_experts(arguments(experts, out), pool_.parallel_for()), nullptr);
    EXPECT_EQ(out, one_by_one(experts)) << rows << " rows";
  }
}

TEST_P(QuantizedExperts, ExpertsMayBeMissingOrAlone) {
  for (const std::vector<std::int64_t>& experts : {std::vector<std::int64_t>(9, 4), {0, 0, 3, 3, 3, 0}, {4, 0}}) {
    std::vector<float> out;
    ASSERT_EQ(quantized_experts(arguments(experts, out), pool_.parallel_for()), nullptr);
    EXPECT_EQ(out, one_by_one(experts));
  }
}

TEST_P(QuantizedExperts, WrongArgumentsAreToldAndNothingIsWritten) {
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{kExperts}, INT64_MIN, INT64_MAX}) {
    std::vector<float> out;
    const std::vector<std::int64_t> experts = {0, wrong};
    EXPECT_STREQ(quantized_experts(arguments(experts, out), pool_.parallel_for()), "weft::quantized_experts: a row's expert is none of them");
    EXPECT_TRUE(std::isnan(out[0]));
  }
  const std::vector<std::int64_t> experts = {0};
  for (const std::size_t features : {std::size_t{0}, std::size_t{24}, std::size_t{32}}) {
    std::vector<float> out;
    QuantizedExpertsArguments wrong = arguments(experts, out);
    wrong.features = features;
    EXPECT_NE(quantized_experts(wrong, pool_.parallel_for()), nullptr) << features;
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, QuantizedExperts, testing::Values(Activations::kFloat32, Activations::kInt8),
                         [](const auto& given) { return given.param == Activations::kInt8 ? "Int8" : "Float32"; });

}  // namespace
}  // namespace weft::kernels
