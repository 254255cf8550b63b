#include "loop.h"

#include <utility>

namespace weft::jinja {

bool LoopObject::next(Value& out, Meter& meter) {
  if (!peek(meter)) return false;
  before = std::move(current);
  current = std::exchange(after, Value());
  ++index0;
  out = current;
  return true;
}

bool LoopObject::peek(Meter& meter) {
  if (after.missing() && items != nullptr && !items->next(after, meter)) after = Value();
  return !after.missing();
}

std::size_t LoopObject::length(Meter& meter) {
  if (!sized) {
    // As Jinja2 does it: what a generator still holds is read now, and kept.
    std::vector<Value> rest;
    for (Value item; items != nullptr && items->next(item, meter);) rest.push_back(item);
    size = rest.size() + static_cast<std::size_t>(index0 + 1) + (after.missing() ? 0 : 1);
    sized = true;
    items = iterate(Value::list(std::move(rest), Author::kTemplate, meter), meter);
  }
  return size;
}

void LoopObject::finish() {
  items = nullptr;
  enclosing = nullptr;
  before = current = after = last_changed = Value();
  sized = true;
}

}  // namespace weft::jinja
