// Where the time goes: kernels and backends tell each call to whoever listens on the thread.
//
//   const CallListener listener = [](const Call& call) { ... };
//   const ListenToCalls listening(listener);    // until the end of the scope, on this thread
//
// Without a listener a timer costs a look at a thread's variable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::kernels {

/// A call that has ended. What began and ended within another one is a part of it.
struct Call {
  std::string_view name;      ///< "quantized_linear"
  std::string_view shape;     ///< "[1, 576] x [1536, 576], 4 bit"; calls of one name and shape are alike. May be empty.
  std::size_t weight_bytes;   ///< Of weights that it read; 0 where it reads none or that isn't known.
  std::int64_t begin_ns, end_ns;  ///< call_clock_ns().
};

using CallListener = std::function<void(const Call&)>;

/// std::chrono::steady_clock's time.
[[nodiscard]] std::int64_t call_clock_ns() noexcept;

/// Who listens on this thread, or nullptr.
[[nodiscard]] const CallListener* call_listener() noexcept;

/// Lets `listener`, which it doesn't own, hear the calls of this thread while it lives; nobody, if nullptr.
class ListenToCalls {
 public:
  explicit ListenToCalls(const CallListener* listener) noexcept;
  ~ListenToCalls();
  ListenToCalls(const ListenToCalls&) = delete;
  ListenToCalls& operator=(const ListenToCalls&) = delete;

 private:
  const CallListener* outer_;
};

/// Tells that what happened during its life was a call.
class CallTimer {
 public:
  /// @param name      Outlives the timer.
  /// @param describe  Gives the shape; called only if somebody listens.
  template <class Describe>
  CallTimer(std::string_view name, std::size_t weight_bytes, Describe&& describe)
      : listener_(call_listener()), name_(name), weight_bytes_(weight_bytes) {
    if (listener_ == nullptr) return;
    shape_ = std::forward<Describe>(describe)();
    begin_ns_ = call_clock_ns();
  }
  ~CallTimer() {
    if (listener_ != nullptr) (*listener_)({name_, shape_, weight_bytes_, begin_ns_, call_clock_ns()});
  }
  CallTimer(const CallTimer&) = delete;
  CallTimer& operator=(const CallTimer&) = delete;

 private:
  const CallListener* listener_;
  std::string_view name_;
  std::size_t weight_bytes_;
  std::string shape_;
  std::int64_t begin_ns_ = 0;
};

}  // namespace weft::kernels
