// A Sampler of one's own in the ready-made pipeline: it leaves the choice to a ready-made one and remembers how
// probable each choice was.
#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "examples/alphabet.h"
#include "weft/pipeline.h"

class RememberingSampler final : public weft::Sampler {
 public:
  explicit RememberingSampler(std::unique_ptr<weft::Sampler> chooser) : chooser_(std::move(chooser)) {}

  weft::Token sample(std::span<const float> logits) override {
    const weft::Token token = chooser_->sample(logits);
    const float max = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - max);
    probabilities_.push_back(std::exp(logits[static_cast<std::size_t>(token)] - max) / sum);
    return token;
  }
  void accept(weft::Token token) override { chooser_->accept(token); }
  void reset() override {
    chooser_->reset();
    probabilities_.clear();
  }

  /// Of each token since the last reset.
  const std::vector<double>& probabilities() const { return probabilities_; }

 private:
  std::unique_ptr<weft::Sampler> chooser_;
  std::vector<double> probabilities_;
};

int main() {
  const auto sampler = std::make_shared<RememberingSampler>(weft::make_sampler({.temperature = 2, .seed = 5}));
  const auto tokenizer = alphabet_tokenizer();
  weft::CompletionPipeline pipeline(
      {.runner = std::make_shared<AlphabetRunner>(), .tokenizer = tokenizer, .sampler = sampler});
  const auto result = pipeline.generate("a", {.max_tokens = 6});
  std::cout << std::fixed << std::setprecision(2);
  for (std::size_t i = 0; i < result.tokens.size(); ++i) {
    std::cout << tokenizer->piece(result.tokens[i]) << ' ' << sampler->probabilities()[i] << '\n';
  }
}
