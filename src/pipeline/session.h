// The container of saved sessions: docs/session-file.md describes its bytes.
//
// Everything after the header goes through frames with checksums, in both directions as a stream, since a cache
// writes and reads itself as one. What a reader hands out has been verified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include "weft/token.h"

namespace weft {

enum class SessionKind : std::uint64_t { kCompletion = 1, kChat = 2 };

class SessionWriter {
 public:
  /// Writes the header. @throws Error{kIo}, like all that follow.
  SessionWriter(std::ostream& out, SessionKind kind, std::size_t vocab_size);

  void put_number(std::uint64_t number);
  void put_text(std::string_view text);
  void put_tokens(const std::vector<Token>& tokens);
  /// For what writes itself; the caller calls check() after it.
  [[nodiscard]] std::ostream& stream() noexcept { return stream_; }
  void check() const;
  /// Ends the session. One that was not finished is not read again.
  void finish();

 private:
  class Frames final : public std::streambuf {
   public:
    explicit Frames(std::ostream& out);
    bool write_frame();
    bool write_end();

   private:
    int_type overflow(int_type next) override;
    bool write_raw(std::string_view bytes);

    std::streambuf* const out_;
    std::vector<char> buffer_;
    std::uint32_t checksum_ = 0;
  };

  Frames frames_;
  std::ostream stream_;
};

class SessionReader {
 public:
  /// Reads the header. @throws Error{kCorrupt}, like all that follow; Error{kUnsupported} for another version;
  /// Error{kInvalidArgument} for another kind or another model.
  SessionReader(std::istream& in, SessionKind kind, std::size_t vocab_size);

  [[nodiscard]] std::uint64_t number();
  [[nodiscard]] std::string text();
  [[nodiscard]] std::vector<Token> tokens();
  /// For what reads itself; the caller calls check() after it, also when it failed.
  [[nodiscard]] std::istream& stream() noexcept { return stream_; }
  void check() const;
  /// Makes sure that the session ends here.
  void finish();

  [[noreturn]] static void throw_corrupt(const std::string& what);

 private:
  class Frames final : public std::streambuf {
   public:
    explicit Frames(std::istream& in);
    /// What is wrong with the frames read so far; empty if nothing is.
    [[nodiscard]] const std::string& fault() const noexcept { return fault_; }
    [[nodiscard]] bool at_end() const noexcept { return at_end_; }

   private:
    int_type underflow() override;
    bool read_raw(char* to, std::size_t n_bytes);

    std::streambuf* const in_;
    std::vector<char> buffer_;
    std::uint32_t checksum_ = 0;
    bool at_end_ = false;
    std::string fault_;
  };

  void read(char* to, std::size_t n_bytes);

  Frames frames_;
  std::istream stream_;
  const std::size_t vocab_size_;
};

}  // namespace weft
