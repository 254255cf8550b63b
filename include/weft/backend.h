// A backend opens model files of one kind; a model file gives its assets and a Runner.
//
//   weft::ExecuTorchBackend backend;                       // or AotiBackend, or a user's own
//   auto file = backend.open("model.pte");
//   auto tokenizer_json = file->asset("tokenizer.json");
//   auto runner = file->load_runner({.threads = 4});
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/runner.h"

namespace weft {

/// Plug-ins export `extern "C" const weft::Backend* weft_backend(const char* abi)`, which gives nullptr for any
/// other string than this: it changes with every incompatible change of the classes below.
inline constexpr const char* kBackendAbi = "weft-backend-2";

/// How a runner keeps keys and values. Narrower ones take less memory and, with a long context, less time.
enum class CacheType {
  kAsExported,  ///< What the file asks for: float32, float16 with quantised weights, bfloat16 if linears' inputs are rounded, too.
  kFloat32,
  kFloat16,
  kBFloat16,  ///< Attention rounds queries and weights, too, where the processor multiplies such numbers: fastest with long prompts.
  kInt8,      ///< 8 bits and a scale for each head's key and value.
};

/// What users, weft.json and errors call them.
inline constexpr std::string_view kCacheTypeNames = "float32, float16, bfloat16 or int8";

/// The type of one of those names; nothing for any other name.
[[nodiscard]] constexpr std::optional<CacheType> parse_cache_type(std::string_view name) noexcept {
  if (name == "float32") return CacheType::kFloat32;
  if (name == "float16") return CacheType::kFloat16;
  if (name == "bfloat16") return CacheType::kBFloat16;
  if (name == "int8") return CacheType::kInt8;
  return std::nullopt;
}

/// Something that a runner did in forward(), told on the thread that called it, once it has ended. What began and ended within another
/// operation is a part of it.
struct Operation {
  std::string_view name;          ///< "program" is the whole call of the exported program; "quantized_linear", "aten::add.out", ...
  std::string_view shape;         ///< Operations of one name and shape are alike. May be empty.
  std::size_t weight_bytes;       ///< Of weights that it read; 0 where it reads none or that isn't known.
  std::int64_t begin_ns, end_ns;  ///< std::chrono::steady_clock.
};

struct RunnerOptions {
  /// Threads that compute; 0: one for each physical core.
  int threads = 0;
  /// Fewer tokens than the model allows, to save memory; 0: as many as the model allows.
  std::size_t max_context = 0;
  /// Quantised linears multiply f32 activations even where the file asks for 8-bit ones, and the cache is float32 unless
  /// cache_type says otherwise: slower; for comparisons.
  bool float_activations = false;
  /// Only for programs whose caches lie outside of the graph; others refuse all but kAsExported.
  CacheType cache_type = CacheType::kAsExported;
  /// Hears of every operation, for profiles. Listening takes some of the time that it measures; without it, nothing is measured.
  std::function<void(const Operation&)> on_operation = {};
};

/// Bytes, and what keeps them: of a mapped file, the mapping.
struct KeptBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

/// One opened model file. Opening verifies the file and maps it; weights are loaded by load_runner().
class ModelFile {
 public:
  virtual ~ModelFile() = default;
  /// Names of what lies inside beside the program: "tokenizer.json", "chat_template.jinja",
  /// "generation_config.json", "weft.json" (docs/model-file.md).
  [[nodiscard]] virtual std::vector<std::string> assets() const = 0;
  /// One asset's bytes, or nothing where the file has none by this name.
  [[nodiscard]] virtual std::optional<std::string> asset(std::string_view name) const = 0;
  /// The same, without a copy where the file is mapped. The bytes may outlive this object.
  [[nodiscard]] virtual std::optional<KeptBytes> mapped_asset(std::string_view name) const {
    auto bytes = asset(name);
    if (!bytes) return std::nullopt;
    auto owner = std::make_shared<const std::string>(*std::move(bytes));
    return KeptBytes{owner, *owner};
  }
  /// Names of the program's methods: "forward", ...
  [[nodiscard]] virtual std::vector<std::string> methods() const = 0;
  /// Further facts for people ("delegate" -> "XnnpackBackend"), in the order to show them.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> facts() const = 0;
  /// Loads the weights. @throws Error{kUnsupported} if the program follows no contract that we know.
  [[nodiscard]] virtual std::unique_ptr<Runner> load_runner(const RunnerOptions& options = {}) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// "executorch" or "aoti".
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// @throws Error{kNotFound, kIo, kCorrupt, kUnsupported}.
  [[nodiscard]] virtual std::unique_ptr<ModelFile> open(const std::filesystem::path& path) const = 0;
};

}  // namespace weft
