#include "apps/text_input.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "apps/commands.h"
#include "weft/error.h"

namespace weft::apps {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxLineBytes = std::size_t{1} << 30;
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

// Appends up to kReadBytes; 0 at the end, -1 with errno for an error.
ssize_t read_more(int file, std::string& text) {
  const std::size_t size = text.size();
  text.resize(size + kReadBytes);
  ssize_t got = 0;
  do {
    got = ::read(file, text.data() + size, kReadBytes);
  } while (got < 0 && errno == EINTR);
  text.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
  return got;
}

// Waits for standard input; false if `interrupt` is readable instead.
bool wait_for_input(int interrupt) {
  pollfd sources[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt, POLLIN, 0}};
  while (::poll(sources, 2, -1) < 0 && errno == EINTR) continue;
  return sources[1].revents == 0;
}

[[noreturn]] void fail_reading(const std::string& where) {
  throw UsageError(where + ": can't be read: " + std::generic_category().message(errno) + "\nfix: check the path and its permissions");
}

std::string read_all(int file, const std::string& where) {
  std::string text;
  for (;;) {
    const ssize_t got = read_more(file, text);
    if (got == 0) return text;
    if (got < 0) fail_reading(where);
    if (text.size() > kMaxTextBytes) {
      throw UsageError(where + ": is longer than " + std::to_string(kMaxTextBytes) + " bytes\nfix: give a shorter text");
    }
  }
}

// The length of the well-formed character at the start of `text`, or 0.
std::size_t well_formed_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90;
    const bool too_large = first == 0xF4 && second > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::optional<std::size_t> find_ill_formed_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = well_formed_bytes(text.substr(at, 4));
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::nullopt;
}

void check_utf8(std::string_view text, const std::string& where) {
  const auto at = find_ill_formed_utf8(text);
  if (!at) return;
  char byte[8];
  std::snprintf(byte, sizeof byte, "0x%02X", static_cast<unsigned>(static_cast<unsigned char>(text[*at])));
  throw UsageError(where + ": is not UTF-8: byte " + std::to_string(*at) + " is " + byte +
                   "\nfix: convert the text, for example with: iconv -f LATIN1 -t UTF-8");
}

std::string read_text(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_reading(path.string());
  try {
    std::string text = read_all(file, path.string());
    ::close(file);
    return text;
  } catch (...) {
    ::close(file);
    throw;
  }
}

std::string read_standard_input() { return read_all(STDIN_FILENO, "standard input"); }

bool LineReader::next(std::string& line) {
  std::size_t searched = begin_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos || (ended_ && begin_ < buffer_.size())) {
      line.assign(buffer_, begin_, end == std::string::npos ? std::string::npos : end - begin_);
      begin_ = end == std::string::npos ? buffer_.size() : end + 1;
      ++line_number_;
      return true;
    }
    if (ended_) return false;
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    if (interrupt_ >= 0 && !wait_for_input(interrupt_)) return false;
    const ssize_t got = read_more(STDIN_FILENO, buffer_);
    if (got < 0) {
      throw Error(ErrorCode::kIo, "can't be read: " + std::generic_category().message(errno), "standard input");
    }
    ended_ = got == 0;
    if (buffer_.size() > kMaxLineBytes) {
      throw Error(ErrorCode::kTooLarge, "is longer than " + std::to_string(kMaxLineBytes) + " bytes",
                  "standard input, line " + std::to_string(line_number_ + 1), "split it into several lines");
    }
  }
}

}  // namespace weft::apps
