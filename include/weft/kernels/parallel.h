// How a kernel spreads its work: the backend's own threads, handed in, so that nothing runs two pools.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>

namespace weft::kernels {

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

 private:
  void* body_;
  void (*call_)(void*, std::size_t, std::size_t);
};

/// Calls body(begin, end) for parts of [0, n), on any threads, and returns when all are done.
using ParallelFor = std::function<void(std::size_t n, RangeBody body)>;

}  // namespace weft::kernels
