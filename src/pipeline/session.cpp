#include "session.h"

#include <algorithm>
#include <array>
#include <span>

#include "weft/error.h"

namespace weft {
namespace {

constexpr std::string_view kMagic = "WEFTSESS";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kFrameBytes = std::size_t{1} << 16;

/// CRC-32 of IEEE 802.3, as in zlib.
constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    table[i] = crc;
  }
  return table;
}();

std::uint32_t crc32(std::uint32_t crc, std::span<const char> bytes) {
  crc = ~crc;
  for (const char byte : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

// Numbers are little-endian on every machine.
template <class Number>
std::array<char, sizeof(Number)> bytes_of(Number number) {
  std::array<char, sizeof(Number)> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(number >> 8 * i & 0xFF);
  return bytes;
}

template <class Number>
Number number_of(std::span<const char> bytes) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<Number>(static_cast<unsigned char>(bytes[i])) << 8 * i;
  }
  return number;
}

std::string_view view_of(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

// Writing. The header and the frames bypass `out`'s formatting and its exceptions: the buffer below it tells
// by what it returns whether it took the bytes.

SessionWriter::Frames::Frames(std::ostream& out) : out_(out.rdbuf()), buffer_(kFrameBytes) {
  setp(buffer_.data(), buffer_.data() + buffer_.size());
  write_raw(kMagic);
  write_raw(view_of(bytes_of(kVersion)));
}

bool SessionWriter::Frames::write_raw(std::string_view bytes) {
  return out_ != nullptr && out_->sputn(bytes.data(), static_cast<std::streamsize>(bytes.size())) ==
                                static_cast<std::streamsize>(bytes.size());
}

bool SessionWriter::Frames::write_frame() {
  const std::span<const char> bytes(pbase(), pptr());
  if (bytes.empty()) return true;
  checksum_ = crc32(checksum_, bytes);
  setp(buffer_.data(), buffer_.data() + buffer_.size());
  return write_raw(view_of(bytes_of(static_cast<std::uint32_t>(bytes.size())))) &&
         write_raw(view_of(bytes_of(checksum_))) && write_raw(view_of(bytes));
}

bool SessionWriter::Frames::write_end() {
  return write_frame() && write_raw(view_of(bytes_of(std::uint32_t{0}))) && write_raw(view_of(bytes_of(checksum_))) &&
         out_->pubsync() == 0;
}

SessionWriter::Frames::int_type SessionWriter::Frames::overflow(int_type next) {
  if (!write_frame()) return traits_type::eof();
  return traits_type::eq_int_type(next, traits_type::eof()) ? traits_type::not_eof(next)
                                                            : sputc(traits_type::to_char_type(next));
}

SessionWriter::SessionWriter(std::ostream& out, SessionKind kind, std::size_t vocab_size)
    : frames_(out), stream_(&frames_) {
  put_number(static_cast<std::uint64_t>(kind));
  put_number(vocab_size);
}

void SessionWriter::check() const {
  if (!stream_) throw Error(ErrorCode::kIo, "writing failed", "session", "check the space left on the device");
}

void SessionWriter::put_number(std::uint64_t number) {
  const auto bytes = bytes_of(number);
  stream_.write(bytes.data(), bytes.size());
  check();
}

void SessionWriter::put_text(std::string_view text) {
  put_number(text.size());
  stream_.write(text.data(), static_cast<std::streamsize>(text.size()));
  check();
}

void SessionWriter::put_tokens(const std::vector<Token>& tokens) {
  put_number(tokens.size());
  for (const Token token : tokens) {
    const auto bytes = bytes_of(static_cast<std::uint32_t>(token));
    stream_.write(bytes.data(), bytes.size());
  }
  check();
}

void SessionWriter::finish() {
  if (!frames_.write_end()) stream_.setstate(std::ios::badbit);
  check();
}

// Reading.

void SessionReader::throw_corrupt(const std::string& what) {
  throw Error(ErrorCode::kCorrupt, what, "session", "the file is cut short or was changed; save it again");
}

SessionReader::Frames::Frames(std::istream& in) : in_(in.rdbuf()) {
  std::array<char, 12> header;
  if (!read_raw(header.data(), header.size()) || !view_of(header).starts_with(kMagic)) {
    throw Error(ErrorCode::kCorrupt, "it does not begin as a session does", "session", "pass a file that weft saved");
  }
  const auto version = number_of<std::uint32_t>(std::span(header).subspan(kMagic.size()));
  if (version != kVersion) {
    throw Error(
        ErrorCode::kUnsupported,
        "it has version " + std::to_string(version) + ", but only version " + std::to_string(kVersion) + " is known",
        "session", "read it with the version of weft that saved it");
  }
}

bool SessionReader::Frames::read_raw(char* to, std::size_t n_bytes) {
  return in_ != nullptr &&
         in_->sgetn(to, static_cast<std::streamsize>(n_bytes)) == static_cast<std::streamsize>(n_bytes);
}

SessionReader::Frames::int_type SessionReader::Frames::underflow() {
  if (at_end_ || !fault_.empty()) return traits_type::eof();
  std::array<char, 8> head;
  if (!read_raw(head.data(), head.size())) {
    fault_ = "it ends before its end mark";
    return traits_type::eof();
  }
  const auto size = number_of<std::uint32_t>(std::span(head).first<4>());
  const auto checksum = number_of<std::uint32_t>(std::span(head).last<4>());
  if (size > kFrameBytes) {
    fault_ = "a frame claims " + std::to_string(size) + " bytes, but frames have " + std::to_string(kFrameBytes) +
             " at most";
    return traits_type::eof();
  }
  buffer_.resize(size);
  if (!read_raw(buffer_.data(), size)) {
    fault_ = "it ends within a frame";
    return traits_type::eof();
  }
  checksum_ = crc32(checksum_, buffer_);
  if (checksum_ != checksum) {
    fault_ = "a checksum does not match";
    return traits_type::eof();
  }
  at_end_ = size == 0;
  setg(buffer_.data(), buffer_.data(), buffer_.data() + size);
  return at_end_ ? traits_type::eof() : traits_type::to_int_type(*gptr());
}

SessionReader::SessionReader(std::istream& in, SessionKind kind, std::size_t vocab_size)
    : frames_(in), stream_(&frames_), vocab_size_(vocab_size) {
  const std::uint64_t saved_kind = number(), saved_vocab_size = number();
  if (saved_kind != static_cast<std::uint64_t>(SessionKind::kChat) &&
      saved_kind != static_cast<std::uint64_t>(SessionKind::kCompletion)) {
    throw_corrupt("its kind is " + std::to_string(saved_kind) + ", which is neither 1 nor 2");
  }
  if (saved_kind != static_cast<std::uint64_t>(kind)) {
    throw Error(ErrorCode::kInvalidArgument,
                kind == SessionKind::kChat ? "it holds a completion, not a conversation"
                                           : "it holds a conversation, not a completion",
                "session", "load it with the kind of pipeline that saved it");
  }
  if (saved_vocab_size != vocab_size) {
    throw Error(ErrorCode::kInvalidArgument,
                "it was saved with a model of " + std::to_string(saved_vocab_size) + " tokens, but this one has " +
                    std::to_string(vocab_size),
                "session", "load it with the model that it was saved with");
  }
}

void SessionReader::check() const {
  if (!frames_.fault().empty()) throw_corrupt(frames_.fault());
}

void SessionReader::read(char* to, std::size_t n_bytes) {
  stream_.read(to, static_cast<std::streamsize>(n_bytes));
  if (stream_) return;
  check();
  throw_corrupt("its content ends too early");
}

std::uint64_t SessionReader::number() {
  std::array<char, 8> bytes;
  read(bytes.data(), bytes.size());
  return number_of<std::uint64_t>(bytes);
}

std::string SessionReader::text() {
  // In pieces: memory is taken only for bytes that are there.
  std::string text;
  for (std::uint64_t left = number(); left > 0;) {
    const auto n_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left, kFrameBytes));
    text.resize(text.size() + n_bytes);
    read(text.data() + text.size() - n_bytes, n_bytes);
    left -= n_bytes;
  }
  return text;
}

std::vector<Token> SessionReader::tokens() {
  std::vector<Token> tokens;
  for (std::uint64_t left = number(); left > 0; --left) {
    std::array<char, 4> bytes;
    read(bytes.data(), bytes.size());
    const auto token = number_of<std::uint32_t>(bytes);
    if (token >= vocab_size_) throw_corrupt("token " + std::to_string(token) + " is not one of the model's");
    tokens.push_back(static_cast<Token>(token));
  }
  return tokens;
}

void SessionReader::finish() {
  const bool has_more = stream_.peek() != std::istream::traits_type::eof();
  check();
  if (has_more || !frames_.at_end()) throw_corrupt("its content goes on where it should end");
}

}  // namespace weft
