#include "apps/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "weft/error.h"

namespace weft::apps {
namespace {

constexpr std::size_t kPendingBytes = std::size_t{64} << 10;
constexpr const char* kCheckFolder = "check the folder and its permissions";

bool is_device_or_pipe(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto type = std::filesystem::status(path, ignored).type();
  return type == std::filesystem::file_type::character || type == std::filesystem::file_type::fifo;
}

}  // namespace

bool NewFile::Buffer::write_out(const char* bytes, std::size_t size) {
  while (size > 0 && problem == 0) {
    const ssize_t written = ::write(file, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      problem = errno;
      break;
    }
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return problem == 0;
}

int NewFile::Buffer::sync() {
  const bool written = write_out(pending_.data(), pending_.size());
  pending_.clear();
  return written ? 0 : -1;
}

std::streamsize NewFile::Buffer::xsputn(const char* bytes, std::streamsize size) {
  pending_.append(bytes, static_cast<std::size_t>(size));
  if (pending_.size() >= kPendingBytes && sync() != 0) return 0;
  return size;
}

NewFile::Buffer::int_type NewFile::Buffer::overflow(int_type character) {
  if (traits_type::eq_int_type(character, traits_type::eof())) return traits_type::not_eof(character);
  const char byte = traits_type::to_char_type(character);
  return xsputn(&byte, 1) == 1 ? character : traits_type::eof();
}

NewFile::NewFile(std::filesystem::path path) : path_(std::move(path)), stream_(&buffer_) {
  if (!is_device_or_pipe(path_)) {
    temporary_ = path_;
    temporary_ += ".part" + std::to_string(::getpid());
  }
  const auto& written = temporary_.empty() ? path_ : temporary_;
  buffer_.file = ::open(written.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (buffer_.file < 0) fail("can't be written", errno, kCheckFolder);
}

NewFile::~NewFile() {
  close();
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

void NewFile::close() {
  if (buffer_.file < 0) return;
  // Some file systems tell only here that the disk is full.
  if (::close(buffer_.file) != 0 && buffer_.problem == 0) buffer_.problem = errno;
  buffer_.file = -1;
}

void NewFile::commit() {
  stream_.flush();
  close();
  if (buffer_.problem != 0) fail("writing failed", buffer_.problem, "make room on the disk");
  if (temporary_.empty()) return;
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) fail("can't be written", error.value(), kCheckFolder);
  temporary_.clear();
}

void NewFile::fail(const char* what, int problem, const char* fix) const {
  throw Error(ErrorCode::kIo, std::string(what) + ": " + std::generic_category().message(problem), path_.string(), fix);
}

}  // namespace weft::apps
