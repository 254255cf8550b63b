// Elements that this array owns, or that lie in a mapped file: a table is the same class, whether it was built or mapped.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace weft::tokenizer {

template <typename T>
class Array {
 public:
  Array() = default;
  explicit Array(std::vector<T> elements) : own_(std::move(elements)), all_(own_) {}
  /// Elements that someone else keeps. They can't be changed.
  static Array lent(std::span<const T> elements) {
    Array result;
    result.all_ = elements;
    return result;
  }
  Array(Array&& other) noexcept : own_(std::move(other.own_)), all_(std::exchange(other.all_, {})) {}
  Array& operator=(Array&& other) noexcept {
    own_ = std::move(other.own_);
    all_ = std::exchange(other.all_, {});
    return *this;
  }

  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] const T* data() const { return all_.data(); }
  [[nodiscard]] const T& operator[](std::size_t i) const { return all_[i]; }
  [[nodiscard]] auto begin() const { return all_.begin(); }
  [[nodiscard]] auto end() const { return all_.end(); }
  [[nodiscard]] std::span<const T> span() const { return all_; }

  /// @name Changes, of elements of its own.
  /// @{
  [[nodiscard]] T& at(std::size_t i) {
    assert(own_.size() == all_.size());
    return own_[i];
  }
  void push_back(T element) { edit([&] { own_.push_back(std::move(element)); }); }
  void resize(std::size_t size, const T& element = T()) { edit([&] { own_.resize(size, element); }); }
  void reserve(std::size_t size) { edit([&] { own_.reserve(size); }); }
  template <typename Range>
  void append(const Range& range) {
    edit([&] { own_.insert(own_.end(), range.begin(), range.end()); });
  }
  void shrink() { edit([&] { own_.shrink_to_fit(); }); }
  /// @}

 private:
  template <typename Change>
  void edit(Change&& change) {
    assert(own_.size() == all_.size());
    change();
    all_ = own_;
  }

  std::vector<T> own_;
  std::span<const T> all_;
};

}  // namespace weft::tokenizer
