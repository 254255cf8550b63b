// How a kernel spreads its work: the backend's own threads, handed in, so that nothing runs two pools.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace weft::kernels {

/// Memory that is likely to be read soon, in `n` items that are shared out among threads as parallel_for() shares out its own.
struct Upcoming {
  const std::uint8_t* data = nullptr;  ///< Only ever asked for, never read: it may be gone.
  std::size_t n = 0, item_bytes = 0;
  std::size_t halves = 1;  ///< 2: there are 2 n items, of which i and n + i are read together.
};

/// A reference to something that can be called as body(begin, end), for the time of a call. Unlike a std::function it never
/// allocates: a step makes hundreds.
class RangeBody {
 public:
  template <class Body>
    requires(!std::same_as<std::remove_cvref_t<Body>, RangeBody> && std::invocable<Body&, std::size_t, std::size_t>)
  RangeBody(Body&& body) noexcept  // implicit: a lambda becomes one
      : body_(const_cast<void*>(static_cast<const void*>(std::addressof(body)))),
        call_([](void* object, std::size_t begin, std::size_t end) { (*static_cast<std::remove_reference_t<Body>*>(object))(begin, end); }) {}
  void operator()(std::size_t begin, std::size_t end) const { call_(body_, begin, end); }

  /// Says what will be read after the call, to threads that have nothing to do once it is over. Whoever runs the call may ignore it.
  RangeBody& then_read(const Upcoming& next) noexcept {
    next_ = &next;
    return *this;
  }
  /// What then_read() was given, or nullptr.
  [[nodiscard]] const Upcoming* next() const noexcept { return next_; }

 private:
  void* body_;
  void (*call_)(void*, std::size_t, std::size_t);
  const Upcoming* next_ = nullptr;
};

/// Calls body(begin, end) for parts of [0, n), on any threads, and returns when all are done.
using ParallelFor = std::function<void(std::size_t n, RangeBody body)>;

}  // namespace weft::kernels
