#include "mapped_file.h"

#if __has_include(<sys/mman.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define WEFT_HAS_MMAP 1
#endif

namespace weft::tokenizer {

#ifdef WEFT_HAS_MMAP

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  struct stat status {};
  void* data = MAP_FAILED;
  if (::fstat(file, &status) == 0 && status.st_size > 0) {
    int flags = MAP_PRIVATE;
#ifdef MAP_POPULATE
    flags |= MAP_POPULATE;  // all of it is about to be checked: one call instead of a fault for every few pages
#endif
    data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, flags, file, 0);
  }
  ::close(file);
  if (data == MAP_FAILED) return nullptr;
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const char*>(data), static_cast<std::size_t>(status.st_size)}));
}

MappedFile::~MappedFile() { ::munmap(const_cast<char*>(bytes_.data()), bytes_.size()); }

#else

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path&) { return nullptr; }
MappedFile::~MappedFile() = default;

#endif

}  // namespace weft::tokenizer
