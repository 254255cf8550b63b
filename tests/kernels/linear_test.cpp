#include "weft/kernels/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>

#include "kernels/variants.h"


namespace weft::kernels {
namespace {

class Linear : public testing::TestWithParam<std::tuple<std::size_t, std::size_t, std::size_t, bool>> {
 protected:
  void SetUp() override {
    std::tie(m_, n_, k_, std::ignore) = GetParam();
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& v, std::size_t n) {
      v.resize(n);
      for (float& x : v) x = normal(random);
    };
    fill(input_, m_ * k_), fill(weight_, n_ * k_), fill(bias_, n_);
    out_.assign(m_ * n_, NAN);
  }
  [[nodiscard]] const float* bias() const { return std::get<3>(GetParam()) ? bias_.data() : nullptr; }
  void expect_right() const {
    for (std::size_t i = 0; i < m_; ++i) {
      for (std::size_t j = 0; j < n_; ++j) {
        double total = bias() != nullptr ? bias()[j] : 0.0;
        for (std::size_t x = 0; x < k_; ++x) total += double{input_[i * k_ + x]} * weight_[j * k_ + x];
        ASSERT_NEAR(out_[i * n_ + j], total, 1e-5 * std::sqrt(static_cast<double>(k_)) + 1e-6) << "row " << i << ", feature " << j;
      }
    }
  }
  std::size_t m_, n_, k_;
  std::vector<float> input_, weight_, bias_, out_;
};

TEST_P(Linear, EqualsTheReferenceInEveryVariant) {
  for (const Variant* each : runnable_variants()) {
    SCOPED_TRACE(each->name);
    out_.assign(m_ * n_, NAN);
    each->linear_rows({input_.data(), weight_.data(), bias(), out_.data(), m_, n_, k_}, 0, n_);
    expect_right();
  }
}

TEST_P(Linear, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto run = [&](std::size_t parts) {
    linear({input_.data(), weight_.data(), bias(), out_.data(), m_, n_, k_}, [&](std::size_t n, const auto& body) {
      for (std::size_t part = 0; part < parts; ++part) body(n * part / parts, n * (part + 1) / parts);
    });
    return out_;
  };
  EXPECT_EQ(run(1), run(3));
}

INSTANTIATE_TEST_SUITE_P(Shapes, Linear,
                         testing::Combine(testing::Values(1, 2, 3, 4, 7, 8), testing::Values(1, 9, 64, 200), testing::Values(1, 16, 77, 576),
                                          testing::Bool()));

}  // namespace
}  // namespace weft::kernels
