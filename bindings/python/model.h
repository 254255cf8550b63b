// A loaded model and its caches as Python holds them: from any thread, one call at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "weft/model.h"

namespace weft::python {

/// A Runner isn't thread-safe, and Python's threads run on while weft computes. Recursive, for a callback of a generation may
/// use the model that generates.
struct SharedRunner {
  std::shared_ptr<Runner> runner;
  std::recursive_mutex mutex;
};

struct LoadedModel {
  std::filesystem::path path;
  std::shared_ptr<SharedRunner> shared;
  std::unique_ptr<Model> model;
};

/// Outlives its model's Python object.
struct OwningCache {
  std::shared_ptr<SharedRunner> shared;
  std::unique_ptr<Cache> cache;
};

}  // namespace weft::python
