// What a generation tells about itself.
#include "weft/pipeline.h"

namespace weft {

std::string_view to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
  }
  return "unknown";
}

double GenerationStats::prefill_tokens_per_s() const noexcept {
  const std::size_t computed = prompt_tokens - cached_tokens;
  return computed > 0 && prefill_s > 0 ? static_cast<double>(computed) / prefill_s : 0;
}

double GenerationStats::decode_tokens_per_s() const noexcept {
  return generated_tokens > 1 && decode_s > 0 ? static_cast<double>(generated_tokens - 1) / decode_s : 0;
}

}  // namespace weft
