// The variable `loop` inside of a for statement (Jinja2's LoopContext).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "value.h"

namespace weft::jinja {

struct Statement;
struct Activation;

struct LoopObject : Object {
  std::shared_ptr<IteratorObject> items;
  bool sized = false;         // whether the length was known before the first item
  std::size_t size = 0;       // where `sized`, or once length() has counted
  std::int64_t index0 = -1;
  std::size_t depth0 = 0;     // levels of recursion above this loop
  Value before, current, after;  // kMissing where there is none; `after` is read ahead for loop.last
  Value last_changed;            // a tuple, for loop.changed()

  const Statement* statement = nullptr;    // of a recursive loop: what loop(items) runs
  std::shared_ptr<Activation> enclosing;   // and among which variables

  [[nodiscard]] bool next(Value& out, Meter& meter);
  [[nodiscard]] bool peek(Meter& meter);  // whether there is an item after this one
  [[nodiscard]] std::size_t length(Meter& meter);
  /// Lets go of what may refer to the loop itself.
  void finish();
};

}  // namespace weft::jinja
