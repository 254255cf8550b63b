// A file that is there whole or not at all.
#pragma once

#include <filesystem>
#include <ostream>
#include <streambuf>
#include <string>

namespace weft::apps {

/// Written under another name in the same folder, and renamed by commit(); without commit() nothing stays behind.
/// What is no regular file, such as /dev/stdout, is written as it is.
class NewFile {
 public:
  /// @throws Error{kIo}  the file can't be made.
  explicit NewFile(std::filesystem::path path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  [[nodiscard]] std::ostream& stream() noexcept { return stream_; }
  /// @throws Error{kIo}  a full disk, or a folder that went away.
  void commit();

 private:
  // A std::filebuf forgets why a write failed.
  class Buffer final : public std::streambuf {
   public:
    int file = -1;
    int problem = 0;  // errno of the first write that failed

   protected:
    int_type overflow(int_type character) override;
    std::streamsize xsputn(const char* bytes, std::streamsize size) override;
    int sync() override;

   private:
    bool write_out(const char* bytes, std::size_t size);
    std::string pending_;
  };

  void close();
  [[noreturn]] void fail(const char* what, int problem, const char* fix) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty where there is none to remove or rename
  Buffer buffer_;
  std::ostream stream_;
};

}  // namespace weft::apps
