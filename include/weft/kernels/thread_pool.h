// Threads for a backend whose SDK's own are no good for token loops.
//
//   weft::kernels::ThreadPool pool(2);
//   pool.parallel_for()(n, [&](std::size_t begin, std::size_t end) { ... });
//
// Made for many short calls in a row: workers look for the next one for a short while before they sleep. Each thread, the
// caller included, goes through a part of its own from its beginning, so that what it asks the memory for ahead is
// what it reads next; then it helps with the others' parts. Each time it takes half of what is left of a part, so that all end
// together although none was told how fast the others are. A worker that the system has set aside is not
// waited for unless it holds a piece: on a busy machine a call gets slower, but not by orders of magnitude as with
// OpenMP's barriers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "weft/kernels/parallel.h"

namespace weft::kernels {

class ThreadPool {
 public:
  /// @param threads  At least 1; the caller of parallel_for() is one of them.
  explicit ThreadPool(std::size_t threads);
  /// Joins the workers.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// One call at a time. What a body throws reaches the caller once all pieces are done or dropped.
  [[nodiscard]] const ParallelFor& parallel_for() const noexcept { return parallel_for_; }

 private:
  void run(std::size_t n, RangeBody body);
  void work(std::size_t thread);
  void take_pieces(std::size_t thread) noexcept;

  // Which call is under way, whether it may be joined, and how many workers have: see thread_pool.cpp.
  std::atomic<std::uint32_t> state_{0};
  std::atomic<std::uint32_t> sleeping_{0};
  std::atomic<bool> stopping_{false};

  const RangeBody* body_ = nullptr;
  // What is left of each thread's part, which only grows shorter from its beginning.
  struct alignas(64) Part {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0, least = 1;  // of a piece
  };
  std::vector<Part> parts_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;

  ParallelFor parallel_for_;
  std::vector<std::jthread> workers_;
};

}  // namespace weft::kernels
