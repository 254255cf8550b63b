// Counts the work of one parse or render against its limits, and knows the line that it is at.
#pragma once

#include <cstddef>
#include <string>

#include "weft/error.h"
#include "weft/template.h"

namespace weft::jinja {

class Meter {
 public:
  explicit Meter(const TemplateLimits& limits) : limits_(limits) {}

  [[nodiscard]] const TemplateLimits& limits() const noexcept { return limits_; }

  /// One line of the template's source, 1-based, for the errors that follow.
  void at(std::size_t line) noexcept { line_ = line; }
  [[nodiscard]] std::size_t line() const noexcept { return line_; }

  /// @throws Error{kTooLarge}  more than TemplateLimits::steps by now.
  void step(std::size_t n = 1) {
    if (n > limits_.steps - steps_) too_many_steps();
    steps_ += n;
  }
  /// Making or reading that many bytes of text: they count as steps too, and one text has a bound.
  void bytes(std::size_t n) {
    if (n > limits_.output_bytes) too_long_text();
    step(n / kBytesPerStep);
  }
  /// Adding `added` bytes to a text of `size`.
  void grow(std::size_t size, std::size_t added) {
    if (added > limits_.output_bytes || size > limits_.output_bytes - added) too_long_text();
    step(added / kBytesPerStep);
  }
  /// Making an object that holds that many others.
  void object(std::size_t items) { step(kStepsPerObject + items); }
  /// @throws Error{kTooLarge}  a value nested deeper than TemplateLimits::depth.
  void value_depth(std::size_t depth) const {
    if (depth > limits_.depth) too_deep("a value is nested");
  }

  /// What failed as it would in Jinja2. Its place is the current line.
  [[noreturn]] void fail(std::string message) const;
  [[noreturn]] void fail(ErrorCode code, std::string message, std::string fix) const;

  /// One more level of evaluation, for as long as it lives.
  class Level {
   public:
    explicit Level(Meter& meter) : meter_(meter) {
      // A call of a macro is some ten levels deep: its block, statement, expression, arguments, ...
      if (meter_.depth_ >= meter_.limits_.depth * kLevelsPerDepth) meter_.too_deep("calls and expressions are nested");
      ++meter_.depth_;
    }
    ~Level() { --meter_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Meter& meter_;
  };

  // Chosen so that all that a render's steps can make fits some hundred MiB.
  static constexpr std::size_t kBytesPerStep = 64;
  static constexpr std::size_t kStepsPerObject = 8;
  static constexpr std::size_t kLevelsPerDepth = 4;

  [[noreturn]] void too_deep(const char* what) const;

 private:
  [[noreturn]] void too_many_steps() const;
  [[noreturn]] void too_long_text() const;

  TemplateLimits limits_;
  std::size_t steps_ = 0;
  std::size_t depth_ = 0;
  std::size_t line_ = 1;
};

}  // namespace weft::jinja
