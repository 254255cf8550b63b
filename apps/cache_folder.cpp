#include "apps/cache_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "weft/error.h"

namespace weft::apps {
namespace {

namespace fs = std::filesystem;

fs::path folder_in_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? fs::path(value) : fs::path();
}

}  // namespace

fs::path cache_folder() {
  if (const fs::path own = folder_in_environment("WEFT_CACHE"); !own.empty()) return fs::absolute(own);
  // The XDG specification has relative paths ignored.
  if (const fs::path xdg = folder_in_environment("XDG_CACHE_HOME"); xdg.is_absolute()) return xdg / "weft";
  if (const fs::path home = folder_in_environment("HOME"); home.is_absolute()) return home / ".cache" / "weft";
  throw Error(ErrorCode::kNotFound, "there is no place for it: HOME is not set", "cache folder",
              "set WEFT_CACHE to a folder that can be written");
}

void make_cache_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && ::access(folder.c_str(), W_OK | X_OK) != 0) error = std::error_code(errno, std::generic_category());
  if (error) {
    throw Error(ErrorCode::kIo, "can't be written: " + error.message(), "cache folder " + folder.string(),
                "set WEFT_CACHE to a folder that can be written");
  }
}

}  // namespace weft::apps
