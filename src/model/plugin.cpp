#include <dlfcn.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "weft/error.h"
#include "weft/model.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

fs::path program_folder() {
#if defined(__APPLE__)
  std::uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  if (_NSGetExecutablePath(path.data(), &size) != 0) return {};
  std::error_code error;
  return fs::weakly_canonical(path.c_str(), error).parent_path();
#else
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
#endif
}

// Of the shared library that this code was linked into: a Python module, an app's own. Empty for the program itself.
fs::path library_folder() {
  Dl_info info{};
  std::error_code error;
  if (dladdr(reinterpret_cast<const void*>(&load_backend), &info) == 0 || !info.dli_fname) return {};
  const fs::path file = fs::weakly_canonical(info.dli_fname, error);
  return error || !fs::is_regular_file(file, error) ? fs::path() : file.parent_path();
}

std::vector<std::string> plugin_file_names(const std::string& name) {
#if defined(__APPLE__)
  return {"weft_" + name + ".so", "weft_" + name + ".dylib"};
#else
  return {"weft_" + name + ".so"};
#endif
}

std::vector<fs::path> plugin_folders() {
  std::vector<fs::path> folders;
  if (const char* chosen = std::getenv("WEFT_PLUGIN_PATH"); chosen && *chosen) folders.emplace_back(chosen);
  const fs::path program = program_folder(), library = library_folder();
  if (!library.empty() && library != program) folders.push_back(library);
  if (!program.empty()) {
    folders.push_back(program);
    folders.push_back((program / ".." / "lib" / "weft").lexically_normal());
  }
  return folders;
}

std::string upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

const Backend& load_plugin(const fs::path& path) {
  // Never closed: both SDKs keep threads and thread-local state that outlive a dlclose(). RTLD_LOCAL keeps the
  // symbols of ExecuTorch and libtorch apart where both are loaded.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    throw Error(ErrorCode::kBackend, std::string("doesn't load: ") + (reason ? reason : "unknown reason"),
                path.string(), "build it again with this version of weft and of its SDK");
  }
  using EntryPoint = const Backend* (*)(const char* abi);
  const auto entry_point = reinterpret_cast<EntryPoint>(dlsym(library, "weft_backend"));
  if (!entry_point) {
    throw Error(ErrorCode::kBackend, "has no function weft_backend: it is no plug-in of weft", path.string(),
                "take it out of this folder, or build it again");
  }
  const Backend* backend = entry_point(kBackendAbi);
  if (!backend) {
    throw Error(ErrorCode::kBackend, std::string("was built for another version of weft; this one needs ") + kBackendAbi,
                path.string(), "build it again with this version of weft");
  }
  return *backend;
}

}  // namespace

const Backend& load_backend(std::string_view name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) || c == '_';
  });
  if (!plain) {
    throw Error(ErrorCode::kInvalidArgument, "a backend's name is lower-case letters, digits and _",
                "backend '" + std::string(name) + "'", "the backends of weft are executorch and aoti");
  }
  std::string searched;
  for (const fs::path& folder : plugin_folders()) {
    for (const std::string& file : plugin_file_names(std::string(name))) {
      std::error_code error;
      if (fs::exists(folder / file, error)) return load_plugin(folder / file);
    }
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  throw Error(ErrorCode::kNotFound,
              "the plug-in " + plugin_file_names(std::string(name)).front() + " isn't in any of: " + searched,
              "backend '" + std::string(name) + "'",
              "build weft with -DWEFT_" + upper_case(std::string(name)) +
                  "=ON, or set WEFT_PLUGIN_PATH to the folder that holds the plug-in");
}

}  // namespace weft
