#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "src/model/file_kind.h"
#include "src/model/json_object.h"
#include "src/model/read_file.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using model_detail::JsonObject;

// docs/model-file.md has these names and every key.
constexpr const char* kInfo = "weft.json";
constexpr const char* kTokenizer = "tokenizer.json";
constexpr const char* kCompiledTokenizer = "tokenizer.weft";
constexpr const char* kTokenizerConfig = "tokenizer_config.json";
constexpr const char* kChatTemplate = "chat_template.jinja";
constexpr const char* kGenerationConfig = "generation_config.json";

constexpr std::uint64_t kFormat = 1;
constexpr std::uint64_t kMaxToken = std::numeric_limits<Token>::max();
// The bounds that weft::program sets on the same keys.
constexpr std::uint64_t kMaxContext = 1u << 24;
constexpr std::uint64_t kMaxVocabulary = 1u << 24;

fs::path folder_of(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? path : path.parent_path();
}

// tokenizer_config.json spells out every added token in some models; nothing else comes near a megabyte.
std::uint64_t max_bytes(std::string_view name) {
  return name == kTokenizer || name == kCompiledTokenizer ? TokenizerLimits{}.file_bytes : std::uint64_t{16} << 20;
}

std::string fix_for(const Asset& asset, std::string_view name) {
  if (asset.beside) return "mend this file, or remove it: the model may hold one inside";
  if (name == kInfo) return "the file is damaged or was not written by weft export; export the model again";
  return "put a right " + std::string(name) + " beside the model file, or export the model again";
}

std::optional<JsonObject> read_json(const ModelFile& file, const fs::path& path, const char* name) {
  const auto asset = find_asset(file, path, name);
  if (!asset) return std::nullopt;
  return JsonObject(asset->bytes, asset->where, fix_for(*asset, name));
}

// One text, or a list of named ones, as older checkpoints keep it: {"name": "default", "template": "..."}.
std::optional<std::string> template_in(const JsonObject& config) {
  const nlohmann::json* value = config.find("chat_template");
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) config.fail("chat_template", *value, "a text or a list of named templates");
  for (const nlohmann::json& entry : *value) {
    if (!entry.is_object()) continue;
    const auto name = entry.find("name");
    const auto text = entry.find("template");
    if (name != entry.end() && *name == "default" && text != entry.end() && text->is_string()) {
      return text->get<std::string>();
    }
  }
  return std::nullopt;
}

ChatTemplate parse_template(std::string_view source, const SpecialTokenTexts& specials, const std::string& where,
                            const std::string& fix) {
  try {
    return ChatTemplate::parse(source, specials);
  } catch (const Error& error) {
    throw Error(error.code(), error.message(), where + (error.where().empty() ? "" : ": " + error.where()),
                error.fix().empty() ? fix : error.fix());
  }
}

// A number of the generation config, checked as the sampler would: by then the file's name is forgotten.
std::optional<float> sampling_number(const JsonObject& config, const char* key, double least, bool least_allowed,
                                     double most, std::string_view expected) {
  const auto value = config.number(key);
  if (!value) return std::nullopt;
  const bool inside = (least_allowed ? *value >= least : *value > least) && *value <= most;
  if (!inside) config.fail(key, *config.find(key), expected);
  return static_cast<float>(*value);
}

SamplingOptions read_sampling(const JsonObject& config) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  const auto temperature = sampling_number(config, "temperature", 0, true, kLargest, "a number of at least 0");
  const auto top_p = sampling_number(config, "top_p", 0, false, 1, "a number above 0, at most 1,");
  const auto min_p = sampling_number(config, "min_p", 0, true, std::nextafter(1.0f, 0.0f), "a number from 0 to below 1");
  const auto penalty = sampling_number(config, "repetition_penalty", 0, false, kLargest, "a number above 0");
  const auto top_k = config.integer("top_k", 0, std::numeric_limits<int>::max());

  SamplingOptions sampling;
  // Transformers applies the penalty to greedy decoding too.
  sampling.repetition_penalty = penalty.value_or(1.0f);
  if (!config.boolean("do_sample").value_or(false)) return sampling;
  sampling.temperature = temperature.value_or(1.0f);
  // Transformers' own default, which a file leaves out that doesn't change it.
  sampling.top_k = static_cast<int>(top_k.value_or(50));
  sampling.top_p = top_p.value_or(1.0f);
  sampling.min_p = min_p.value_or(0.0f);
  return sampling;
}

void add_stop_token(GenerationDefaults& defaults, Token token) {
  for (const Token known : defaults.stop_tokens) {
    if (known == token) return;
  }
  defaults.stop_tokens.push_back(token);
}

}  // namespace

std::optional<Asset> find_asset(const ModelFile& file, const fs::path& path, std::string_view name) {
  const fs::path beside = folder_of(path) / name;
  std::error_code ignored;
  // weft.json describes the program that it was written with: never one beside.
  if (name != kInfo && fs::exists(beside, ignored)) {
    return Asset{model_detail::read_file(beside, max_bytes(name)), beside.string(), true};
  }
  auto bytes = file.asset(name);
  if (!bytes) return std::nullopt;
  const std::string where = path.string() + ": " + std::string(name);
  if (bytes->size() > max_bytes(name)) {
    throw Error(ErrorCode::kTooLarge,
                "has " + std::to_string(bytes->size()) + " bytes; at most " + std::to_string(max_bytes(name)) + " are read",
                where, "export the model again");
  }
  return Asset{std::move(*bytes), where, false};
}

ModelInfo read_info(const ModelFile& file, const fs::path& path) {
  ModelInfo info;
  info.backend = detect_backend(path);
  info.name = path.stem().string();
  const auto json = read_json(file, path, kInfo);
  if (!json) return info;
  const auto format = json->integer("format", 1, std::numeric_limits<std::uint32_t>::max());
  if (!format) {
    throw Error(ErrorCode::kCorrupt, "format is missing", json->where(), "export the model again");
  }
  if (*format > kFormat) {
    throw Error(ErrorCode::kUnsupported,
                "format " + std::to_string(*format) + " is newer than this build, which reads " + std::to_string(kFormat),
                json->where(), "update weft, or export the model with this version");
  }
  info.name = json->text("name").value_or(info.name);
  info.architecture = json->text("architecture").value_or("");
  info.quantization = json->text("quantization").value_or("");
  info.dtype = json->text("dtype").value_or("");
  info.exporter = json->text("exporter").value_or("");
  info.max_context = json->integer("max_context", 1, kMaxContext).value_or(0);
  info.vocab_size = json->integer("vocab_size", 1, kMaxVocabulary).value_or(0);
  info.parameters = json->integer("parameters", 0, std::numeric_limits<std::uint64_t>::max()).value_or(0);
  return info;
}

std::shared_ptr<const Tokenizer> read_tokenizer(const ModelFile& file, const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(folder_of(path) / kTokenizer, ignored)) {
    const fs::path beside = folder_of(path) / kCompiledTokenizer;
    if (fs::exists(beside, ignored)) return load_tokenizer(beside);
    if (const auto compiled = file.mapped_asset(kCompiledTokenizer)) {
      try {
        return parse_tokenizer(compiled->owner, compiled->bytes, path.string() + ": " + kCompiledTokenizer);
      } catch (const Error& error) {
        // Another version's form; the file that it was made of says the same.
        if (error.code() != ErrorCode::kUnsupported || !file.mapped_asset(kTokenizer)) throw;
      }
    }
  }
  const auto asset = find_asset(file, path, kTokenizer);
  if (!asset) {
    throw Error(ErrorCode::kNotFound,
                "there is no tokenizer: looked for " + (folder_of(path) / kTokenizer).string() + ", then for " + kTokenizer +
                    " inside the model file",
                path.string(), "put the model's tokenizer.json beside it, or export the model again with weft export");
  }
  return parse_tokenizer(asset->bytes, asset->where);
}

std::optional<ChatTemplate> read_chat_template(const ModelFile& file, const fs::path& path) {
  SpecialTokenTexts specials;
  const auto config = read_json(file, path, kTokenizerConfig);
  if (config) {
    specials.bos = config->token_text("bos_token").value_or("");
    specials.eos = config->token_text("eos_token").value_or("");
    specials.pad = config->token_text("pad_token").value_or("");
    specials.unk = config->token_text("unk_token").value_or("");
  }
  if (const auto asset = find_asset(file, path, kChatTemplate)) {
    return parse_template(asset->bytes, specials, asset->where, fix_for(*asset, kChatTemplate));
  }
  if (!config) return std::nullopt;
  const auto source = template_in(*config);
  if (!source) return std::nullopt;
  return parse_template(*source, specials, config->where() + ": chat_template",
                        "put a chat_template.jinja beside the model file");
}

GenerationDefaults read_generation_defaults(const ModelFile& file, const fs::path& path, const Tokenizer& tokenizer) {
  GenerationDefaults defaults;
  if (const auto config = read_json(file, path, kGenerationConfig)) {
    defaults.sampling = read_sampling(*config);
    for (const std::uint64_t id : config->integers("eos_token_id", kMaxToken)) {
      add_stop_token(defaults, static_cast<Token>(id));
    }
    if (const auto id = config->integer("bos_token_id", 0, kMaxToken)) defaults.bos_token = static_cast<Token>(*id);
  }
  const auto config = read_json(file, path, kTokenizerConfig);
  if (!config) return defaults;
  // A text that is in no vocabulary can be neither sampled nor fed: Transformers' configs carry such leftovers.
  if (const auto text = config->token_text("eos_token")) {
    if (const auto id = tokenizer.find(*text)) add_stop_token(defaults, *id);
  }
  if (const auto text = config->token_text("bos_token")) {
    if (const auto id = tokenizer.find(*text)) defaults.bos_token = id;
  }
  defaults.add_bos = config->boolean("add_bos_token").value_or(false) && defaults.bos_token;
  return defaults;
}

}  // namespace weft
