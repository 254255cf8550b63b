#include "apps/measurements.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "weft/error.h"

namespace weft::apps {

double peak_rss_mb() {
#if defined(__linux__)
  // Linux's getrusage() also counts what the process that started this one had.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024.0;  // KiB
  }
#endif
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);  // bytes
#else
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // KiB
#endif
}

std::string describe(const GenerationStats& stats) {
  char text[256];
  int length = std::snprintf(text, sizeof text, "prompt %zu tokens", stats.prompt_tokens);
  std::string line(text, static_cast<std::size_t>(length));
  if (stats.cached_tokens > 0) line += " (" + std::to_string(stats.cached_tokens) + " from the cache)";
  length = std::snprintf(text, sizeof text, " at %.1f tok/s, first token after %.0f ms, %zu tokens at %.1f tok/s",
                         stats.prefill_tokens_per_s(), stats.first_token_s * 1e3, stats.generated_tokens,
                         stats.decode_tokens_per_s());
  return line + std::string(text, static_cast<std::size_t>(length));
}

std::vector<Token> random_tokens(std::size_t n_tokens, const Model& model, std::size_t sequence) {
  const std::size_t vocab_size = std::min(model.tokenizer->vocab_size(), model.runner->vocab_size());
  // The standard fixes mt19937_64's numbers, not those of its distributions.
  std::mt19937_64 random(1 + sequence);
  std::vector<Token> tokens(n_tokens);
  for (Token& token : tokens) token = static_cast<Token>(random() % vocab_size);
  return tokens;
}

void check_fits(std::size_t prompt_tokens, std::size_t decode_tokens, const LoadedModel& loaded) {
  const std::size_t wanted = prompt_tokens + decode_tokens, context = loaded.model->runner->max_context();
  if (wanted <= context) return;
  throw Error(ErrorCode::kContextFull,
              "--prompt and --decode make " + std::to_string(wanted) + " tokens; the context holds " + std::to_string(context),
              loaded.file.string(), "ask for fewer, or export the model with a larger --max-context");
}

std::string describe_threads(const ModelChoice& choice) {
  const int threads = choice.runner.threads;
  return threads == 0 ? "one thread a core" : std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

double rounded(double value) { return std::round(value * 1e3) / 1e3; }

}  // namespace weft::apps
