#include "src/model/file_kind.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/model/read_file.h"
#include "weft/error.h"

namespace weft::model_detail {
namespace {

// Names of the zip format are those of PKWARE's APPNOTE.TXT 6.3.10, section 4.3.
constexpr std::string_view kLocalHeader = "PK\x03\x04";
constexpr std::string_view kCentralHeader = "PK\x01\x02";
constexpr std::string_view kEnd = "PK\x05\x06";
constexpr std::string_view kEnd64 = "PK\x06\x06";
constexpr std::string_view kEnd64Locator = "PK\x06\x07";
constexpr std::size_t kEndBytes = 22, kEnd64Bytes = 56, kEnd64LocatorBytes = 20, kCentralHeaderBytes = 46;
constexpr std::size_t kMaxCommentBytes = 65535;
// A package of ours has some dozens of entries.
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{64} << 20;

std::uint64_t little_endian(std::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return value;
}

// Fewer bytes than asked for where the file ends.
std::string read_at(std::istream& file, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

// The names of a zip's entries, or nothing where the directory is missing or doesn't fit the file.
std::optional<std::vector<std::string>> zip_entries(std::istream& file, std::uint64_t file_bytes) {
  const std::size_t tail_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(file_bytes, kEndBytes + kMaxCommentBytes + kEnd64LocatorBytes));
  const std::string tail = read_at(file, file_bytes - tail_bytes, tail_bytes);
  if (tail.size() != tail_bytes || tail.size() < kEndBytes) return std::nullopt;
  std::size_t end = tail.rfind(kEnd, tail.size() - kEndBytes);
  while (end != std::string::npos && end + kEndBytes + little_endian(tail, end + 20, 2) != tail.size()) {
    end = end == 0 ? std::string::npos : tail.rfind(kEnd, end - 1);
  }
  if (end == std::string::npos) return std::nullopt;

  std::uint64_t directory_bytes = little_endian(tail, end + 12, 4);
  std::uint64_t directory_offset = little_endian(tail, end + 16, 4);
  if (end >= kEnd64LocatorBytes && tail.compare(end - kEnd64LocatorBytes, 4, kEnd64Locator) == 0) {
    const std::uint64_t end64_offset = little_endian(tail, end - kEnd64LocatorBytes + 8, 8);
    if (end64_offset > file_bytes) return std::nullopt;
    const std::string end64 = read_at(file, end64_offset, kEnd64Bytes);
    if (end64.size() != kEnd64Bytes || !end64.starts_with(kEnd64)) return std::nullopt;
    directory_bytes = little_endian(end64, 40, 8);
    directory_offset = little_endian(end64, 48, 8);
  }
  if (directory_bytes > kMaxDirectoryBytes || directory_offset > file_bytes ||
      directory_bytes > file_bytes - directory_offset) {
    return std::nullopt;
  }

  const std::string directory = read_at(file, directory_offset, static_cast<std::size_t>(directory_bytes));
  std::vector<std::string> names;
  for (std::size_t at = 0; at + kCentralHeaderBytes <= directory.size();) {
    if (directory.compare(at, 4, kCentralHeader) != 0) return std::nullopt;
    const std::size_t name_bytes = little_endian(directory, at + 28, 2);
    const std::size_t rest_bytes = little_endian(directory, at + 30, 2) + little_endian(directory, at + 32, 2);
    at += kCentralHeaderBytes;
    if (name_bytes > directory.size() - at) return std::nullopt;
    names.push_back(directory.substr(at, name_bytes));
    at += name_bytes + rest_bytes;
  }
  return names;
}

// torch puts every entry into one top folder, named after the file when it was written.
FileKind zip_kind(std::istream& file, std::uint64_t file_bytes) {
  const auto names = zip_entries(file, file_bytes);
  if (!names) return FileKind::kCutZip;
  bool format = false, compiled = false, pickle = false;
  for (const std::string& name : *names) {
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos) continue;
    const std::string_view inner = std::string_view(name).substr(slash + 1);
    format |= inner == "archive_format";
    compiled |= inner.starts_with("data/aotinductor/");
    pickle |= inner == "data.pkl";
  }
  if (format) return compiled ? FileKind::kAoti : FileKind::kExportedProgram;
  return pickle ? FileKind::kCheckpoint : FileKind::kOtherZip;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

FileKind file_kind(const std::filesystem::path& path) {
  const std::uint64_t file_bytes = regular_file_bytes(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_unreadable(path, errno);
  const std::string head = read_at(file, 0, 16);
  if (head.empty()) return FileKind::kEmpty;
  if (head.starts_with(kLocalHeader)) return zip_kind(file, file_bytes);
  if (head.starts_with("GGUF")) return FileKind::kGguf;
  if (head.size() >= 8 && head[4] == 'E' && head[5] == 'T' && is_digit(head[6]) && is_digit(head[7])) {
    return FileKind::kExecuTorch;
  }
  // Eight bytes of length, then that much JSON.
  if (head.size() >= 9 && head[8] == '{' && little_endian(head, 0, 8) <= file_bytes - 8) return FileKind::kSafetensors;
  return FileKind::kUnknown;
}

}  // namespace weft::model_detail
