// A decoding step allocates nothing once the one before it has made the buffers. A program of its own, since it replaces operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "weft/kernels/attention.h"
#include "weft/kernels/quantized_linear.h"
#include "weft/kernels/thread_pool.h"

namespace {

std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  // aligned_alloc wants a multiple of the alignment.
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment + (size == 0 ? alignment : 0));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Those of the standard library that aren't here call these.
void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace weft::kernels {
namespace {

constexpr std::size_t kHeads = 9, kKvHeads = 3, kSize = 64, kHidden = kHeads * kSize, kPast = 300;

// One layer's worth of kernels, with every buffer that a step can need.
class Step {
 public:
  explicit Step(KvType type) : cache_({{kKvHeads, kSize, kSize}}, 512, type), weight_bytes_(matrix(kHidden).bytes() * 4, 0x11) {
    cache_.prepare_rows(0, 0, kPast + 8);
    cache_.set_size(kPast);
  }
  void run(const ParallelFor& parallel_for, bool gate, std::size_t past) {
    cache_.set_size(past);
    const Sequence sequence{&cache_, 1};
    const ForwardScope scope({&sequence, 1}, parallel_for);
    const auto position = static_cast<std::int64_t>(past);
    AttentionArguments a{.query = {x_.data(), kHeads, 1, kSize, kSize, kSize},
                         .key = {x_.data(), kKvHeads, 1, kSize, kSize, kSize},
                         .value = {x_.data(), kKvHeads, 1, kSize, kSize, kSize}};
    a.positions = {&position, 1};
    a.context = scope.handle();
    a.out = out_.data();
    ASSERT_EQ(attention(a), nullptr);
    QuantizedLinearArguments wide{.input = x_.data(), .rows = 1, .weight = wide_matrix(), .out = out_.data()};
    wide.activations = Activations::kBFloat16;
    ASSERT_EQ(quantized_linear(wide, parallel_for), nullptr);
    for (const Activations activations : {Activations::kFloat32, Activations::kInt8}) {
      QuantizedLinearArguments linear{.input = x_.data(), .rows = 1, .weight = matrix(kHidden), .out = out_.data()};
      linear.activations = activations;
      linear.norm_weight = x_.data();
      ASSERT_EQ(quantized_linear(linear, parallel_for), nullptr);
      if (!gate) continue;
      linear.weight = matrix(4 * kHidden);
      linear.gate = Gate::kSilu;
      ASSERT_EQ(quantized_linear(linear, parallel_for), nullptr);
    }
  }

 private:
  [[nodiscard]] QuantizedMatrix wide_matrix() const { return {wide_bytes_.data(), kHidden, kHidden, 16, false}; }
  [[nodiscard]] QuantizedMatrix matrix(std::size_t rows) const { return {weight_bytes_.data(), rows, kHidden, 4, true}; }

  KvCache cache_;
  std::vector<std::uint8_t> weight_bytes_, wide_bytes_ = std::vector<std::uint8_t>(QuantizedMatrix{nullptr, kHidden, kHidden, 16, false}.bytes(), 0x11);
  std::vector<float> x_ = std::vector<float>(kHidden, 0.5f), out_ = std::vector<float>(2 * kHidden);
};

class Allocation : public testing::TestWithParam<KvType> {};

TEST_P(Allocation, HappensInNoStepButTheFirst) {
  Step step(GetParam());
  const ParallelFor piece_by_piece = [](std::size_t n, RangeBody body) {
    for (std::size_t i = 0; i < n; ++i) body(i, i + 1);
  };
  step.run(piece_by_piece, /*gate=*/true, kPast);
  const std::size_t before = allocations.load();
  step.run(piece_by_piece, /*gate=*/true, kPast + 1);
  EXPECT_EQ(allocations.load(), before);
}

TEST_P(Allocation, HappensInNoStepOfSeveralThreads) {
  Step step(GetParam());
  ThreadPool threads(3);
  // Without the gate, for which each worker makes itself a buffer when it first gets some of the work.
  step.run(threads.parallel_for(), /*gate=*/false, kPast);
  const std::size_t before = allocations.load();
  step.run(threads.parallel_for(), /*gate=*/false, kPast + 1);
  EXPECT_EQ(allocations.load(), before);
}

TEST(AllocationCounter, CountsThoseOfAVector) {
  const std::size_t before = allocations.load();
  const std::vector<int> numbers(100);
  EXPECT_EQ(allocations.load(), before + 1) << numbers.size();
}

INSTANTIATE_TEST_SUITE_P(All, Allocation, testing::Values(KvType::kFloat32, KvType::kFloat16, KvType::kInt8, KvType::kBFloat16));

}  // namespace
}  // namespace weft::kernels
