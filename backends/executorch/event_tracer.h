// Tells the calls that ExecuTorch itself makes to whoever listens: operators that aren't weft's, and delegates.
#pragma once

#include <executorch/runtime/core/event_tracer.h>

#include <memory>

namespace weft {

/// For a Module of which every execution is listened to (weft/kernels/call_timer.h); it may also be left alone.
[[nodiscard]] std::unique_ptr<executorch::runtime::EventTracer> make_event_tracer();

}  // namespace weft
