#include "weft/kernels/thread_pool.h"

#include <algorithm>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/upcoming.h"

namespace weft::kernels {
namespace {

// state_: the low 15 bits count the workers that have joined the call, bit 15 says that it may be joined, the
// rest numbers the calls.
constexpr std::uint32_t kOpen = 1u << 15;
constexpr std::uint32_t kJoined = kOpen - 1;
constexpr std::uint32_t kNextCall = 1u << 16;

// About 50 microseconds: longer than the gaps between the operators of a decoding step.
constexpr int kSpins = 2000;

// Pieces get no smaller: an inner loop reads several tiles of weights at once.
constexpr std::size_t kLeast = 4;

void pause() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(std::size_t threads)
    : parts_(std::max<std::size_t>(1, threads)), parallel_for_([this](std::size_t n, RangeBody body) { run(n, body); }) {
  for (std::size_t i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  state_.fetch_add(kNextCall);
  state_.notify_all();
}

void ThreadPool::take_pieces(std::size_t thread) noexcept {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[(thread + i) % parts_.size()];
    for (std::size_t begin = part.next.load(std::memory_order_relaxed); begin < part.end;) {
      const std::size_t end = std::min(part.end, begin + std::max((part.end - begin) / 2, part.least));
      if (!part.next.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
      if (failed_.load(std::memory_order_relaxed)) return;
      try {
        (*body_)(begin, end);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
      begin = part.next.load(std::memory_order_relaxed);
    }
  }
}

void ThreadPool::run(std::size_t n, RangeBody body) {
  if (n <= 1 || workers_.empty()) {
    if (n > 0) body(0, n);
    return;
  }
  body_ = &body;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    const std::size_t begin = n * i / parts_.size();
    part.next.store(begin, std::memory_order_relaxed);
    part.end = n * (i + 1) / parts_.size();
    part.least = std::clamp<std::size_t>((part.end - begin) / 4, 1, kLeast);
  }
  failed_.store(false, std::memory_order_relaxed);

  const std::uint32_t call = (state_.load(std::memory_order_relaxed) & ~(kOpen | kJoined)) + kNextCall;
  state_.store(call | kOpen);
  if (sleeping_.load() > 0) state_.notify_all();
  take_pieces(0);
  // Closed, so that who comes late stays out; then only those are waited for who hold a piece.
  state_.fetch_and(~kOpen);
  for (int spins = 0; (state_.load(std::memory_order_acquire) & kJoined) != 0; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
  if (failed_.load()) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work(std::size_t thread) {
  AskAhead ahead;
  const auto ask = [](const std::uint8_t* line) { __builtin_prefetch(line, 0, 2); };  // into the second-level cache
  std::uint32_t seen = 0;  // the call that was last worked on, or found closed
  for (;;) {
    std::uint32_t state = state_.load(std::memory_order_acquire);
    for (int spins = 0; (state & ~(kOpen | kJoined)) == seen && spins < kSpins; ++spins) {
      if (!ahead.some(ask)) pause();
      state = state_.load(std::memory_order_acquire);
    }
    if ((state & ~(kOpen | kJoined)) == seen) {
      sleeping_.fetch_add(1);
      state = state_.load();  // after saying so: whoever opens a call now wakes us
      if ((state & ~(kOpen | kJoined)) == seen) state_.wait(state);
      sleeping_.fetch_sub(1);
      continue;
    }
    if (stopping_.load()) return;
    if ((state & kOpen) != 0) {
      if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) continue;
      seen = state & ~(kOpen | kJoined);
      take_pieces(thread);
      if (const Upcoming* next = body_->next()) ahead.begin(*next, thread, parts_.size());
      state_.fetch_sub(1, std::memory_order_release);
    } else {
      seen = state & ~(kOpen | kJoined);
      ahead.drop();  // that call may have read what is still asked for
    }
  }
}

}  // namespace weft::kernels
