// A file's bytes without copying them: pages that all processes share.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace weft::tokenizer {

class MappedFile {
 public:
  /// Nothing if the system says no: the file can still be read. A file that is made shorter while it is mapped ends the
  /// process that reads it (SIGBUS), as with every library that is mapped: replace files by renaming.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

}  // namespace weft::tokenizer
