// The normalizer of a `tokenizer.json`: what happens to a text before it is split into words.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "utf8.h"

namespace weft::tokenizer {

/// A text on its way through the steps, which remembers where its bytes come from.
struct NormalizedText {
  std::string text;
  /// For each byte of `text`, the bytes of the original that it comes from. Empty unless asked for.
  std::vector<Range> source;
};

class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  /// Whether apply() would leave well-formed `text` as it is; may say no without need.
  [[nodiscard]] virtual bool leaves(std::string_view text) const = 0;
  virtual void apply(NormalizedText& text) const = 0;
};

class Normalizer {
 public:
  /// @param json  Nothing: changes nothing.
  /// @throws Error{kCorrupt, kUnsupported}
  explicit Normalizer(const std::optional<JsonValue>& json);

  [[nodiscard]] bool empty() const { return steps_.empty(); }
  /// Whether `text` is already normal. A quick look: false doesn't mean that it isn't.
  [[nodiscard]] bool leaves(std::string_view text) const;
  /// @param with_source  Whether to fill NormalizedText::source.
  [[nodiscard]] NormalizedText apply(std::string_view text, bool with_source = false) const;

 private:
  void read(const JsonValue& json);
  std::vector<std::unique_ptr<NormalizerStep>> steps_;
};

}  // namespace weft::tokenizer
