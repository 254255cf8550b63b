#include "backends/executorch/event_tracer.h"

#include <executorch/runtime/platform/platform.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "weft/kernels/call_timer.h"

namespace weft {
namespace {

namespace et = executorch::runtime;

// ExecuTorch's scopes: one of its own kernels calls itself "native_call_<operator>", a delegate is "DELEGATE_CALL". The others
// (a whole method, an instruction) only enclose these. weft's own operators tell more about themselves than their instruction knows.
std::string call_name(const char* scope) {
  constexpr const char* kKernel = "native_call_";
  if (std::strncmp(scope, kKernel, std::strlen(kKernel)) == 0) return std::string("aten::") + (scope + std::strlen(kKernel));
  return std::strcmp(scope, "DELEGATE_CALL") == 0 ? "delegate" : "";
}

class EventTracer final : public et::EventTracer {
 public:
  EventTracer() { set_event_tracer_profiling_level(et::EventTracerProfilingLevel::kProfileAllEvents); }

  et::EventTracerEntry start_profiling(const char* name, et::ChainID, et::DebugHandle) override {
    std::string call = kernels::call_listener() != nullptr ? call_name(name) : std::string();
    if (call.empty()) return entry(-1);
    open_.push_back({std::move(call), kernels::call_clock_ns()});
    return entry(static_cast<int64_t>(open_.size()) - 1);
  }
  void end_profiling(et::EventTracerEntry entry) override {
    if (entry.event_id < 0 || static_cast<std::size_t>(entry.event_id) >= open_.size()) return;
    const Open call = std::move(open_[static_cast<std::size_t>(entry.event_id)]);
    open_.resize(static_cast<std::size_t>(entry.event_id));
    if (const auto* listener = kernels::call_listener()) (*listener)({call.name, {}, 0, call.begin_ns, kernels::call_clock_ns()});
  }

  // XNNPACK tells its operators when all have run, one after another, each with a number behind its name.
  void log_profiling_delegate(const char* name, et::DelegateDebugIntId, et_timestamp_t begin, et_timestamp_t end, const void*,
                              size_t) override {
    const auto* listener = kernels::call_listener();
    if (listener == nullptr || name == nullptr) return;
    const std::string_view all(name);
    (*listener)({std::string("delegate: ").append(all.substr(0, all.find(" #"))), {}, 0, to_call_clock(begin), to_call_clock(end)});
  }
  et::EventTracerEntry start_profiling_delegate(const char*, et::DelegateDebugIntId) override { return entry(-1); }
  void end_profiling_delegate(et::EventTracerEntry, const void*, size_t) override {}
  void create_event_block(const char*) override {}
  void track_allocation(et::AllocatorID, size_t) override {}
  et::AllocatorID track_allocator(const char*) override { return 0; }
  et::Result<bool> log_evalue(const et::EValue&, et::LoggedEValueType) override { return false; }
  et::Result<bool> log_intermediate_output_delegate(const char*, et::DelegateDebugIntId, const executorch::aten::Tensor&) override {
    return false;
  }
  et::Result<bool> log_intermediate_output_delegate(const char*, et::DelegateDebugIntId,
                                                    const et::ArrayRef<executorch::aten::Tensor>) override {
    return false;
  }
  et::Result<bool> log_intermediate_output_delegate(const char*, et::DelegateDebugIntId, const int&) override { return false; }
  et::Result<bool> log_intermediate_output_delegate(const char*, et::DelegateDebugIntId, const bool&) override { return false; }
  et::Result<bool> log_intermediate_output_delegate(const char*, et::DelegateDebugIntId, const double&) override { return false; }
  void set_delegation_intermediate_output_filter(et::EventTracerFilterBase*) override {}

 private:
  static std::int64_t to_ns(et_timestamp_t ticks) {
    const et_tick_ratio_t ratio = et::pal_ticks_to_ns_multiplier();
    return static_cast<std::int64_t>(ticks * ratio.numerator / ratio.denominator);
  }
  [[nodiscard]] std::int64_t to_call_clock(et_timestamp_t ticks) const { return to_ns(ticks) + clock_offset_ns_; }
  static et::EventTracerEntry entry(int64_t id) { return {id, et::kUnsetChainId, et::kUnsetDebugHandle, 0, et::DelegateDebugIdType::kNone}; }
  struct Open {
    std::string name;
    std::int64_t begin_ns;
  };
  // ExecuTorch's ticks begin when it does. Once for all: what touches in one clock has to touch in the other.
  const std::int64_t clock_offset_ns_ = kernels::call_clock_ns() - to_ns(et::pal_current_ticks());
  std::vector<Open> open_;  // of the thread that executes: scopes nest
};

}  // namespace

std::unique_ptr<et::EventTracer> make_event_tracer() { return std::make_unique<EventTracer>(); }

}  // namespace weft
