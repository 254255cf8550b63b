#include "apps/measurements.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdio>

namespace weft::apps {

double peak_rss_mb() {
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

double rounded(double value) { return std::round(value * 1e3) / 1e3; }

}  // namespace weft::apps
