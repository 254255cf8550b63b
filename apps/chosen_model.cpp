#include "apps/chosen_model.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include "apps/cache_folder.h"
#include "apps/output.h"
#include "apps/python.h"
#include "weft/error.h"

namespace weft::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultModel = "smollm2-135m-instruct";
// Where nobody says which: it loads in a tenth of the other's time, takes half its memory and is as fast (docs/speed.md).
constexpr const char* kDefaultBackend = "executorch";
constexpr const char* kOtherBackend = "aoti";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A word of letters, digits, '.', '_', '-' that doesn't end like a file.
bool is_name(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  return plain && text.front() != '.' && !text.ends_with(".pte") && !text.ends_with(".pt2") && !text.ends_with(".json");
}

std::string file_ending(const std::string& backend) { return backend == "aoti" ? ".pt2" : ".pte"; }

std::string names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entries(folder, error), end; !error && entries != end; entries.increment(error)) {
    const fs::path& file = entries->path();
    if (file.extension() == ".pte" || file.extension() == ".pt2") names.push_back(file.filename().string());
  }
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list.empty() ? "nothing" : list;
}

// For an export that nobody named a backend for: what a build of one SDK has.
std::string built_backend() {
  try {
    static_cast<void>(load_backend(kDefaultBackend));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    return kOtherBackend;
  }
  return kDefaultBackend;
}

void export_default_model(const std::string& backend, const fs::path& file) {
  // Told now rather than after minutes of exporting.
  static_cast<void>(load_backend(backend));
  make_cache_folder(file.parent_path());
  write_note("weft: making the default model, once: " + file.string());
  const int code = run_export({"--default", "--backend", backend, "-o", file.string()}, ChildOutput::kToStderr);
  if (code != 0) {
    throw Error(ErrorCode::kBackend, "the export ended with code " + std::to_string(code), "default model",
                "see its own words above; another model needs none of this: weft chat model.pte");
  }
  if (!is_there(file)) {
    throw Error(ErrorCode::kInternal, "the export ended well, but wrote no file", file.string(), "run it again");
  }
}

fs::path find_named(const std::string& name, const std::string& backend) {
  const fs::path folder = cache_folder() / "models";
  const auto file_for = [&](const std::string& chosen) { return folder / (name + file_ending(chosen)); };
  const fs::path file = file_for(backend.empty() ? kDefaultBackend : backend);
  if (is_there(file)) return file;
  if (backend.empty() && is_there(file_for(kOtherBackend))) return file_for(kOtherBackend);
  if (name == kDefaultModel) {
    const std::string chosen = backend.empty() ? built_backend() : backend;
    export_default_model(chosen, file_for(chosen));
    return file_for(chosen);
  }
  throw Error(ErrorCode::kNotFound,
              "there is neither a file nor a model by this name; " + folder.string() + " holds: " + names_in(folder), name,
              "give the path of a .pte or .pt2, or export it: weft export SOURCE -o " + file.string());
}

}  // namespace

fs::path find_model(const ModelChoice& choice) {
  const std::string name = choice.model.empty() ? kDefaultModel : choice.model;
  if (choice.model.empty() || (!is_there(name) && is_name(name))) return find_named(name, choice.backend);
  const fs::path file = find_model_file(name);
  if (const std::string backend = detect_backend(file); !choice.backend.empty() && backend != choice.backend) {
    throw UsageError(file.string() + " runs on " + backend + ", not on " + choice.backend + "\nfix: leave --backend out");
  }
  return file;
}

LoadedModel load(const ModelChoice& choice) { return load(find_model(choice), choice.runner); }

LoadedModel load(const fs::path& file, const RunnerOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  LoadedModel loaded{file, load_model(file, options), 0};
  loaded.load_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return loaded;
}

}  // namespace weft::apps
