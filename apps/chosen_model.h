// MODEL on the command line to a file, and that to a loaded model.
#pragma once

#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "weft/model.h"

namespace weft::apps {

/// The file that `choice` means; the default model is exported first, if it isn't there yet.
/// @throws UsageError, Error{kNotFound, kIo, ...}.
[[nodiscard]] std::filesystem::path find_model(const ModelChoice& choice);

struct LoadedModel {
  std::filesystem::path file;
  std::unique_ptr<Model> model;
  double load_ms = 0;
};

[[nodiscard]] LoadedModel load(const ModelChoice& choice);
/// The same from a file that find_model() gave.
[[nodiscard]] LoadedModel load(const std::filesystem::path& file, const RunnerOptions& options);

}  // namespace weft::apps
