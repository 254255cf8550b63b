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

/// Which kind a file is, told from its first bytes: "executorch", "aoti", or "" for neither.
[[nodiscard]] std::string detect_backend(const std::filesystem::path& path);

/// The backend by this name, as a plug-in: a shared library `weft_<name>` looked for in the folder
/// $WEFT_PLUGIN_PATH, then beside the running program, then in ../lib/weft of it. Loaded once for each process.
/// @throws Error{kNotFound} naming the folders searched, kBackend if it doesn't load.
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

/// The parts of a model file that need no weights. `path` is the file's own, for what lies beside it.
[[nodiscard]] ModelInfo read_info(const ModelFile& file, const std::filesystem::path& path);
[[nodiscard]] std::shared_ptr<const Tokenizer> read_tokenizer(const ModelFile& file, const std::filesystem::path& path);
[[nodiscard]] std::optional<ChatTemplate> read_chat_template(const ModelFile& file, const std::filesystem::path& path);

}  // namespace weft
