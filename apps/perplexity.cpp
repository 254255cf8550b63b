#include "apps/perplexity.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "weft/error.h"

namespace weft::apps {
namespace {

// Rows of logits held at a time: with 150k tokens in the vocabulary, 77 MB.
constexpr std::size_t kRows = 128;

// -log softmax(logits)[token].
double surprise(std::span<const float> logits, Token token) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - largest));
  return std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(token)] - largest);
}

void check(const Runner& runner, std::size_t n_tokens, const PerplexityWindows& windows) {
  if (n_tokens < 2) {
    throw Error(ErrorCode::kInvalidArgument, "has " + std::to_string(n_tokens) + " tokens; the first predicts, so two are the least",
                "text", "give a longer text");
  }
  if (windows.context < 2 || windows.context > runner.max_context()) {
    throw Error(ErrorCode::kInvalidArgument,
                std::to_string(windows.context) + " is not from 2 to the model's " + std::to_string(runner.max_context()), "context",
                "choose a number of tokens in that range");
  }
  if (windows.stride < 1 || windows.stride > windows.context) {
    throw Error(ErrorCode::kInvalidArgument,
                std::to_string(windows.stride) + " is not from 1 to the context's " + std::to_string(windows.context), "stride",
                "choose a number of tokens in that range");
  }
}

}  // namespace

double Perplexity::value() const { return tokens == 0 ? 0 : std::exp(negative_log_likelihood / static_cast<double>(tokens)); }

Perplexity measure_perplexity(Runner& runner, std::span<const Token> tokens, const PerplexityWindows& windows,
                              const std::stop_token& cancel, const std::function<void(std::size_t scored)>& on_progress) {
  check(runner, tokens.size(), windows);
  Perplexity measured;
  Logits logits;
  const auto cache = runner.new_cache();
  std::size_t scored_to = 1;  // the next token to score; nothing predicts the first
  for (std::size_t begin = 0; scored_to < tokens.size(); begin += windows.stride) {
    const std::size_t end = std::min(begin + windows.context, tokens.size());
    cache->truncate(0);
    // Up to the token before the first that is scored, only the cache matters. Nothing predicts a window's first token.
    std::size_t next = begin;
    if (const std::size_t quiet = std::max(scored_to, begin + 1) - 1 - begin; quiet > 0) {
      const Step step{*cache, tokens.subspan(begin, quiet)};
      runner.forward({&step, 1}, logits);
      next += quiet;
    }
    // The window's last token predicts nothing that the window holds.
    while (next + 1 < end) {
      if (cancel.stop_requested()) return measured;
      const std::size_t n = std::min(kRows, end - 1 - next);
      const Step step{*cache, tokens.subspan(next, n), LogitRows::kAll};
      runner.forward({&step, 1}, logits);
      for (std::size_t i = 0; i < n; ++i) measured.negative_log_likelihood += surprise(logits.row(i), tokens[next + i + 1]);
      if (!std::isfinite(measured.negative_log_likelihood)) {
        throw Error(ErrorCode::kBackend, "the logits of the tokens from " + std::to_string(next) + " on are not finite", "text",
                    "export the model in float32");
      }
      next += n;
      measured.tokens += n;
      if (on_progress) on_progress(measured.tokens);
    }
    measured.computed += cache->size();
    ++measured.windows;
    scored_to = end;
  }
  return measured;
}

}  // namespace weft::apps
