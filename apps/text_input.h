// Text from files and pipes: bounded, and checked to be UTF-8.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace weft::apps {

/// Where the first ill-formed sequence of `text` begins (Unicode 15, table 3-7), if there is one.
[[nodiscard]] std::optional<std::size_t> find_ill_formed_utf8(std::string_view text);

/// @param where  "-p", "prompt.txt", "standard input".
/// @throws UsageError  naming `where` and the byte that isn't UTF-8.
void check_utf8(std::string_view text, const std::string& where);

/// All of a file, which may be a pipe; at most 256 MiB.
/// @throws UsageError  it can't be read or is longer.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);
[[nodiscard]] std::string read_standard_input();

/// Lines of standard input, bounded in length.
class LineReader {
 public:
  /// @param interrupt  A file that, once readable, ends the input; -1: none.
  explicit LineReader(int interrupt = -1) : interrupt_(interrupt) {}
  /// The next line without its end; false at the end of the input.
  /// @throws Error{kIo}, Error{kTooLarge}  a line of more than 1 GiB.
  [[nodiscard]] bool next(std::string& line);
  /// Whether next() has a whole line without waiting for more.
  [[nodiscard]] bool has_line() const noexcept { return buffer_.find('\n', begin_) != std::string::npos; }
  /// Of the line that next() gave last; the first is 1.
  [[nodiscard]] std::size_t line_number() const noexcept { return line_number_; }

 private:
  int interrupt_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what next() has not given yet
  std::size_t line_number_ = 0;
  bool ended_ = false;
};

}  // namespace weft::apps
