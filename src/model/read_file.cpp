#include "src/model/read_file.h"

#include <cerrno>
#include <fstream>
#include <system_error>

#include "weft/error.h"

namespace weft::model_detail {

void throw_unreadable(const std::filesystem::path& path, int error_number) {
  const std::string reason = std::generic_category().message(error_number);
  if (error_number == ENOENT || error_number == ENOTDIR) {
    throw Error(ErrorCode::kNotFound, reason, path.string(), "check the path");
  }
  throw Error(ErrorCode::kIo, "can't be read: " + reason, path.string(), "check its permissions and the disk");
}

std::uint64_t regular_file_bytes(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found || status.type() == std::filesystem::file_type::none) {
    throw_unreadable(path, error ? error.value() : ENOENT);
  }
  if (status.type() != std::filesystem::file_type::regular) {
    throw Error(ErrorCode::kInvalidArgument, "is no regular file", path.string(), "give the path of a file");
  }
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) throw_unreadable(path, error.value());
  return bytes;
}

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const std::uint64_t file_bytes = regular_file_bytes(path);
  if (file_bytes > max_bytes) {
    throw Error(ErrorCode::kTooLarge,
                "has " + std::to_string(file_bytes) + " bytes; at most " + std::to_string(max_bytes) + " are read",
                path.string(), "check that it is the right file");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_unreadable(path, errno);
  std::string bytes(static_cast<std::size_t>(file_bytes), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<std::uint64_t>(file.gcount()) != file_bytes) {
    throw Error(ErrorCode::kIo,
                "reading ended after " + std::to_string(file.gcount()) + " of " + std::to_string(file_bytes) + " bytes",
                path.string(), "check the disk");
  }
  return bytes;
}

}  // namespace weft::model_detail
