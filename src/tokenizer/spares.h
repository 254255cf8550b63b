// Objects that threads take for the length of a call, and leave for the next one.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace weft::tokenizer {

/// No thread waits for another. Each comes back to where it has left an object last, and where two have met there, one
/// of them went elsewhere: they don't pass one place's cache line to and fro with every text.
template <typename T>
class Spares {
 public:
  Spares() = default;
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;
  ~Spares() {
    for (Place& place : places_) delete place.object.load(std::memory_order_relaxed);
  }

  /// @returns nothing if none is left.
  [[nodiscard]] std::unique_ptr<T> take() {
    for (std::size_t i = 0; i < kPlaces; ++i) {
      std::atomic<T*>& object = places_[(last + i) % kPlaces].object;
      if (object.load(std::memory_order_relaxed) == nullptr) continue;
      if (T* const taken = object.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<T>(taken);
    }
    return nullptr;
  }
  void leave(std::unique_ptr<T> object) {
    for (std::size_t i = 0; i < kPlaces; ++i) {
      const std::size_t at = (last + i) % kPlaces;
      T* none = nullptr;
      if (!places_[at].object.compare_exchange_strong(none, object.get(), std::memory_order_release,
                                                      std::memory_order_relaxed)) {
        continue;
      }
      (void)object.release();
      last = at;
      return;
    }
  }

 private:
  static constexpr std::size_t kPlaces = 32;
  struct alignas(128) Place {  // processors fetch cache lines in pairs
    std::atomic<T*> object{nullptr};
  };
  static inline thread_local std::size_t last = 0;  // of this thread, in whichever of these

  std::array<Place, kPlaces> places_;
};

/// Storage that is kept from one text to the next is not kept at the size that the longest one needed.
template <typename Vector>
void give_back(Vector& vector) {
  constexpr std::size_t kMostKept = std::size_t{1} << 20;  // bytes
  if (vector.capacity() * sizeof(typename Vector::value_type) > kMostKept) Vector().swap(vector);
}

/// Makes an always-replace cache as large as it should be by now: a power of four of places. What it knew is forgotten,
/// which happens a few times in its life.
template <typename Known>
void grow_cache(std::vector<Known>& places, std::size_t wanted) {
  std::size_t size = std::max<std::size_t>(places.size(), 64);
  while (size < wanted) size *= 4;
  if (size > places.size()) places.assign(size, Known());
}

}  // namespace weft::tokenizer
