// Lines that someone types.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "apps/interrupt.h"

namespace weft::apps {

enum class LineResult {
  kLine,
  kCleared,  ///< Ctrl-C dropped what was typed.
  kEnd,      ///< The input ended: Ctrl-D, or Ctrl-C on an empty line.
};

class LineEditor {
 public:
  virtual ~LineEditor() = default;
  /// The next line without its end. @throws Error{kIo, kTooLarge}.
  [[nodiscard]] virtual LineResult read(std::string& line) = 0;
  /// Whether a person types, who sees a prompt.
  [[nodiscard]] virtual bool interactive() const noexcept = 0;
};

/// With editing, a prompt and history where standard input and standard error are a terminal; else plain lines.
/// @param history_file  Read now, written after each line; empty: the history is not kept.
/// @param interrupts    How Ctrl-C is told; lent for the editor's life.
[[nodiscard]] std::unique_ptr<LineEditor> make_line_editor(const std::filesystem::path& history_file,
                                                           InterruptPipe& interrupts);

}  // namespace weft::apps
