// What will be read next, and how threads that have nothing to do ask the memory for it.
//
// Between a decoding step's matrices the memory would stand still: one thread norms, rounds and calls the next operator, the others wait.
// They ask for the beginning of the next matrix then. What that brings: docs/speed.md, and `kernels_bench --filter "step of"`.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "weft/kernels/parallel.h"

namespace weft::kernels {

/// What was read after what, the last time: a model's steps are alike. A wrong guess costs some reading, no more.
class UpcomingOrder {
 public:
  /// Notes that `now` is being read, after what the last call named; returns what was read after it the last time, or nothing.
  Upcoming follow(const Upcoming& now) {
    if (entries_.empty()) entries_.resize(std::size_t{1} << kBits);
    if (last_ != nullptr) last_->next = now;
    Entry& entry = entries_[(reinterpret_cast<std::uintptr_t>(now.data) >> 6) * 0x9e3779b97f4a7c15 >> (64 - kBits)];
    if (entry.data != now.data) entry = {now.data, {}};
    last_ = &entry;
    return entry.next;
  }

 private:
  static constexpr int kBits = 10;  // more than a model's matrices, as a rule; of two that meet in one place, the last one counts
  struct Entry {
    const std::uint8_t* data = nullptr;
    Upcoming next;
  };
  std::vector<Entry> entries_;
  Entry* last_ = nullptr;
};

/// One worker's way through what comes next: the beginning of its own part, then, with the other workers, of the calling thread's.
class AskAhead {
 public:
  static constexpr std::size_t kLine = 64;
  /// Bytes of a worker's own part, and of the calling thread's: what a second-level cache of 512 KiB has room for.
  static constexpr std::size_t kOwnBytes = 128 << 10, kCallersBytes = 64 << 10;

  /// @param thread  1..threads - 1.
  void begin(const Upcoming& next, std::size_t thread, std::size_t threads) {
    stage_ = 0;
    const auto part = [&](std::array<Span, 2>& spans, std::size_t first, std::size_t last, std::size_t most, std::size_t share, std::size_t of) {
      const std::size_t bytes = std::min((last - first) * next.item_bytes, most / next.halves);
      for (std::size_t half = 0; half < 2; ++half) {
        spans[half] = {};
        if (half >= next.halves) continue;
        const std::uint8_t* const data = next.data + (half * next.n + first) * next.item_bytes;
        spans[half] = {data + bytes * share / of, data + bytes * (share + 1) / of};
      }
    };
    part(stages_[0], next.n * thread / threads, next.n * (thread + 1) / threads, kOwnBytes, 0, 1);
    part(stages_[1], 0, next.n / threads, kCallersBytes, thread - 1, threads - 1);
  }
  void drop() noexcept { stage_ = stages_.size(); }

  /// Calls ask(address) for a few lines that weren't asked for yet. @return  Whether there were any.
  template <class Ask>
  bool some(const Ask& ask) {
    for (; stage_ < stages_.size(); ++stage_) {
      bool any = false;
      for (Span& span : stages_[stage_]) {
        for (int line = 0; line < 4 && span.at < span.end; ++line, span.at += kLine, any = true) ask(span.at);
      }
      if (any) return true;
    }
    return false;
  }

 private:
  struct Span {
    const std::uint8_t *at = nullptr, *end = nullptr;
  };
  std::array<std::array<Span, 2>, 2> stages_{};
  std::size_t stage_ = stages_.size();
};

}  // namespace weft::kernels
