#include "weft/kernels/call_timer.h"

#include <chrono>

namespace weft::kernels {
namespace {

thread_local const CallListener* current = nullptr;

}  // namespace

std::int64_t call_clock_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const CallListener* call_listener() noexcept { return current; }

ListenToCalls::ListenToCalls(const CallListener* listener) noexcept : outer_(current) { current = listener; }

ListenToCalls::~ListenToCalls() { current = outer_; }

}  // namespace weft::kernels
