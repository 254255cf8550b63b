// Counts what the samplers allocate, by replacing the program's operator new.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "weft/sampler.h"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t n) {
  ++allocations;
  if (void* memory = std::malloc(n)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

std::vector<std::vector<float>> random_steps() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  std::vector<std::vector<float>> steps(20, std::vector<float>(5000));
  for (auto& logits : steps) {
    for (float& logit : logits) logit = normal(random);
  }
  return steps;
}

TEST(Sampler, AllocatesNothingForATokenAfterTheFirstOnes) {
  const auto steps = random_steps();
  const weft::SamplingOptions kinds[] = {
      {},
      {.temperature = 1.0f, .seed = 1},
      {.temperature = 1.0f, .top_k = 40, .seed = 1},
      {.temperature = 1.0f, .top_k = 40, .top_p = 0.9f, .min_p = 0.01f, .seed = 1},
      {.temperature = 1.0f, .top_p = 0.9f, .seed = 1},
      {.temperature = 1.0f, .min_p = 0.05f, .seed = 1},
      {.temperature = 1.0f, .repetition_penalty = 1.1f, .penalty_window = 8, .seed = 1},
      {.temperature = 1.0f, .frequency_penalty = 0.1f, .logit_bias = {{7, 1.0f}}, .seed = 1},
  };
  for (const auto& options : kinds) {
    const auto sampler = weft::make_sampler(options);
    const auto run = [&] {
      for (const auto& logits : steps) sampler->accept(sampler->sample(logits));
    };
    run();
    sampler->reset();
    const std::size_t before = allocations;
    run();
    EXPECT_EQ(allocations - before, 0u) << "option set " << &options - kinds;
  }
}

}  // namespace
