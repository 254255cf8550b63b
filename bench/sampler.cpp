// What one token costs in the sampler, with the vocabulary of a large model.
//
//   cmake --build build --target sampler_bench && build/bin/sampler_bench
#include "weft/sampler.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kVocab = 151936;  // Qwen 2's
constexpr int kRounds = 301;

/// A few likely tokens above a broad tail, as language models give them.
std::vector<std::vector<float>> make_steps() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2.5f);
  std::vector<std::vector<float>> steps(4, std::vector<float>(kVocab));
  for (auto& logits : steps) {
    for (float& logit : logits) logit = normal(random);
    for (int i = 0; i < 30; ++i) logits[random() % kVocab] = 18 - static_cast<float>(i) / 3;
  }
  return steps;
}

}  // namespace

int main() {
  const auto steps = make_steps();
  const std::pair<const char*, weft::SamplingOptions> kinds[] = {
      {"greedy", {}},
      {"greedy, repetition penalty 1.1", {.repetition_penalty = 1.1f}},
      {"temperature 0.8", {.temperature = 0.8f, .seed = 1}},
      {"temperature 0.8, top-k 40", {.temperature = 0.8f, .top_k = 40, .seed = 1}},
      {"temperature 0.8, top-p 0.95", {.temperature = 0.8f, .top_p = 0.95f, .seed = 1}},
      {"temperature 0.8, top-k 40, top-p 0.95, min-p 0.05",
       {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .seed = 1}},
      {"temperature 1.5, top-p 0.999", {.temperature = 1.5f, .top_p = 0.999f, .seed = 1}},
      {"temperature 0.8, min-p 0.05", {.temperature = 0.8f, .min_p = 0.05f, .seed = 1}},
  };
  std::printf("%zu logits, us a token: median (fastest .. slowest of %d)\n", kVocab, kRounds);
  for (const auto& [name, options] : kinds) {
    const auto sampler = weft::make_sampler(options);
    std::vector<double> us;
    for (int round = 0; round < kRounds; ++round) {
      const auto start = std::chrono::steady_clock::now();
      sampler->accept(sampler->sample(steps[static_cast<std::size_t>(round) % steps.size()]));
      us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(us.begin(), us.end());
    std::printf("%-52s %7.1f (%.1f .. %.1f)\n", name, us[us.size() / 2], us.front(), us.back());
  }
}
