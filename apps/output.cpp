#include "apps/output.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "weft/error.h"

namespace weft::apps {
namespace {

// 0, or the errno of what failed.
int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

void write_output(std::string_view text) {
  const int problem = write_all(STDOUT_FILENO, text);
  if (problem == EPIPE) throw OutputClosed();
  if (problem != 0) {
    throw Error(ErrorCode::kIo, "writing failed: " + std::generic_category().message(problem), "standard output",
                "make room on the disk, or write elsewhere");
  }
}

void write_note(std::string_view line) { write_all(STDERR_FILENO, std::string(line) + "\n"); }

}  // namespace weft::apps
