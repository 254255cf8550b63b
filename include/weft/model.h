// Everything that one model file holds: runner, tokenizer, chat template, generation defaults.
//
//   auto model = weft::load_model("model.pte");     // or a .pt2: told from the content
//   weft::ChatPipeline chat(*model);
//
// The backends are found as plug-ins, so a program that links weft::model links no SDK; a program
// that wants just one backend links it and calls load_model(path, backend).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/backend.h"
#include "weft/runner.h"
#include "weft/sampler.h"
#include "weft/template.h"
#include "weft/tokenizer.h"

namespace weft {

/// The metadata that weft's export writes ("weft.json"); files of others fill in what can be derived.
struct ModelInfo {
  std::string name;            ///< "SmolLM2-135M-Instruct"
  std::string architecture;    ///< "LlamaForCausalLM"
  std::string quantization;    ///< "none", or as named at export.
  std::string dtype;           ///< "float32"
  std::string backend;         ///< "executorch" or "aoti"
  std::string exporter;        ///< "weft 0.1.0, torch 2.13.0"
  std::size_t max_context = 0;
  std::size_t vocab_size = 0;
  std::uint64_t parameters = 0;
};

/// What a model's makers advise, and what ends an answer (from generation_config.json and the tokenizer).
struct GenerationDefaults {
  SamplingOptions sampling;         ///< temperature 0 unless the file asks to sample.
  std::vector<Token> stop_tokens;   ///< EOS and its like: any of them ends an answer.
  std::optional<Token> bos_token;
  bool add_bos = false;             ///< Whether plain text (no template) begins with BOS.
};

struct Model {
  ModelInfo info;
  std::shared_ptr<Runner> runner;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;  ///< Models that don't chat have none.
  GenerationDefaults defaults;
};

/// Which kind a file is, told from its content: "executorch", "aoti", or "" for neither.
/// @throws Error{kNotFound, kIo}.
[[nodiscard]] std::string detect_backend(const std::filesystem::path& path);

/// `path` itself where it is a model file, or the one model file in the folder `path`.
/// @throws Error{kNotFound, kIo}, kInvalidArgument if a folder holds several, kCorrupt or kUnsupported
///         saying what the file is instead.
[[nodiscard]] std::filesystem::path find_model_file(const std::filesystem::path& path);

/// The backend by this name, as a plug-in: a shared library `weft_<name>` looked for in the folder
/// $WEFT_PLUGIN_PATH, then beside the shared library that weft is linked into (if it is), then beside the running program,
/// then in ../lib/weft of it. Stays loaded until the process ends.
/// @throws Error{kNotFound} naming the folders searched, kBackend if it doesn't load,
///         kInvalidArgument if `name` is no plain word.
[[nodiscard]] const Backend& load_backend(std::string_view name);

/// Opens without loading weights: for inspecting, and for the tokenizer or the template alone.
/// `path` may be a folder that holds one model file.
[[nodiscard]] std::unique_ptr<ModelFile> open_model(const std::filesystem::path& path);

/// Loads the whole model. Files beside it ("tokenizer.json", "chat_template.jinja",
/// "generation_config.json", in the same folder) win over those inside.
/// @throws Error{kNotFound, kIo, kCorrupt, kUnsupported, kTooLarge, kBackend}.
[[nodiscard]] std::unique_ptr<Model> load_model(const std::filesystem::path& path, const RunnerOptions& options = {});
[[nodiscard]] std::unique_ptr<Model> load_model(const std::filesystem::path& path, const Backend& backend,
                                                const RunnerOptions& options = {});

/// One asset, and which of its two places it came from.
struct Asset {
  std::string bytes;
  std::string where;    ///< "models/tokenizer.json", or "model.pte: tokenizer.json" for one inside.
  bool beside = false;  ///< From a file beside the model.
};

/// The asset by this name (docs/model-file.md): the file beside the model, else what lies inside it.
/// @throws Error{kIo, kTooLarge}.
[[nodiscard]] std::optional<Asset> find_asset(const ModelFile& file, const std::filesystem::path& path,
                                              std::string_view name);

/// The parts of a model file that need no weights. `path` is the file's own, for what lies beside it.
/// @throws Error{kCorrupt, kUnsupported, kTooLarge} naming asset and key; a missing tokenizer is kNotFound.
[[nodiscard]] ModelInfo read_info(const ModelFile& file, const std::filesystem::path& path);
[[nodiscard]] std::shared_ptr<const Tokenizer> read_tokenizer(const ModelFile& file, const std::filesystem::path& path);
[[nodiscard]] std::optional<ChatTemplate> read_chat_template(const ModelFile& file, const std::filesystem::path& path);
/// @param tokenizer  The model's own: finds the ids of tokens that the assets name by text.
[[nodiscard]] GenerationDefaults read_generation_defaults(const ModelFile& file, const std::filesystem::path& path,
                                                          const Tokenizer& tokenizer);

}  // namespace weft
