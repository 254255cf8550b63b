#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/output.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAssetNames[] = {"tokenizer.json", "tokenizer.weft", "tokenizer_config.json", "chat_template.jinja",
                                       "generation_config.json"};

// Keys of weft.json that have a row of their own.
constexpr std::string_view kInfoKeys[] = {"name",        "architecture", "parameters", "dtype",
                                          "quantization", "max_context", "vocab_size", "exporter"};

// A file may hold any bytes; a terminal would obey some of them.
std::string printable(const std::string& text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\x%02x", byte);
    if (byte < 0x20 || byte == 0x7f) shown += escape;
    else shown += c;
  }
  return shown;
}

std::string row(std::string title, const std::string& text) {
  title.resize(std::max<std::size_t>(title.size() + 2, 24), ' ');
  return printable(title + text) + "\n";
}

std::string known(const std::string& text) { return text.empty() ? "not told" : text; }
std::string known(std::uint64_t number) { return number == 0 ? "not told" : std::to_string(number); }

std::string size_text(std::uint64_t bytes) {
  char text[48];
  if (bytes < 1'000'000) std::snprintf(text, sizeof text, "%.1f kB", static_cast<double>(bytes) / 1e3);
  else std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

std::string token_text(const Tokenizer& tokenizer, Token token) {
  const bool has_piece = static_cast<std::size_t>(token) < tokenizer.vocab_size();
  return std::to_string(token) + ' ' + (has_piece ? tokenizer.piece(token) : "(not in the tokenizer)");
}

std::string sampling_text(const SamplingOptions& sampling) {
  if (sampling.temperature == 0) return "greedy";
  char text[128];
  std::snprintf(text, sizeof text, "temperature %g, top-k %d, top-p %g, min-p %g", sampling.temperature, sampling.top_k,
                sampling.top_p, sampling.min_p);
  return text;
}

// What a model file holds, row by row. A broken part is told in its row, and the others still shown.
class Report {
 public:
  explicit Report(fs::path path) : path_(std::move(path)), file_(open_model(path_)) {}

  std::string text() {
    text_ += row("file", path_.string() + ", " + size_text(fs::file_size(path_)));
    text_ += row("backend", detect_backend(path_));
    add("metadata", [this] { add_info(); });
    add("methods", [this] { add_program(); });
    add("tokenizer", [this] { add_tokenizer(); });
    add("chat template", [this] { add_template(); });
    add("generation", [this] { add_generation(); });
    add("assets", [this] { add_assets(); });
    return text_;
  }

  [[nodiscard]] bool broken() const { return broken_; }

 private:
  template <typename Add>
  void add(const char* title, Add add_rows) {
    try {
      add_rows();
    } catch (const Error& error) {
      broken_ = true;
      text_ += row(title, "broken: " + error.where() + ": " + error.message());
      if (!error.fix().empty()) text_ += row("", "fix: " + error.fix());
    }
  }

  void add_info() {
    const ModelInfo info = read_info(*file_, path_);
    text_ += row("name", info.name);
    text_ += row("architecture", known(info.architecture));
    text_ += row("parameters", known(info.parameters));
    text_ += row("dtype", known(info.dtype));
    text_ += row("quantization", known(info.quantization));
    text_ += row("context", known(info.max_context) + (info.max_context ? " tokens" : ""));
    text_ += row("vocabulary", known(info.vocab_size));
    text_ += row("exporter", known(info.exporter));
    add_other_metadata();
  }

  // What ModelInfo doesn't carry: "contract", "layers", and whatever later exporters add.
  void add_other_metadata() {
    const auto bytes = file_->asset("weft.json");
    if (!bytes) return;
    const auto json = nlohmann::ordered_json::parse(*bytes, nullptr, /*allow_exceptions=*/false);
    for (const auto& [key, value] : json.items()) {
      const bool shown = std::find(std::begin(kInfoKeys), std::end(kInfoKeys), key) != std::end(kInfoKeys);
      if (shown) continue;
      if (value.is_structured()) text_ += row(key, std::to_string(value.size()) + " entries");
      else text_ += row(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }

  void add_program() {
    std::string methods;
    for (const std::string& method : file_->methods()) methods += (methods.empty() ? "" : ", ") + method;
    text_ += row("methods", known(methods));
    for (const auto& [title, fact] : file_->facts()) text_ += row(title, fact);
  }

  void add_tokenizer() {
    tokenizer_ = read_tokenizer(*file_, path_);
    std::size_t n_special = 0;
    for (std::size_t id = 0; id < tokenizer_->vocab_size(); ++id) n_special += tokenizer_->is_special(static_cast<Token>(id));
    text_ += row("tokenizer", std::to_string(tokenizer_->vocab_size()) + " ids, " + std::to_string(n_special) +
                                  " of them control tokens");
  }

  void add_template() {
    const auto chat_template = read_chat_template(*file_, path_);
    text_ += row("chat template", chat_template ? std::to_string(chat_template->source().size()) + " bytes" : "none");
  }

  void add_generation() {
    if (!tokenizer_) return;
    const GenerationDefaults defaults = read_generation_defaults(*file_, path_, *tokenizer_);
    std::string stops;
    for (const Token token : defaults.stop_tokens) stops += (stops.empty() ? "" : ", ") + token_text(*tokenizer_, token);
    text_ += row("sampling", sampling_text(defaults.sampling));
    text_ += row("stops at", known(stops));
    if (defaults.bos_token) {
      text_ += row("begins with", token_text(*tokenizer_, *defaults.bos_token) + (defaults.add_bos ? "" : ", where a template says so"));
    }
  }

  void add_assets() {
    for (const char* name : kAssetNames) {
      const auto asset = find_asset(*file_, path_, name);
      const std::string source = asset ? (asset->beside ? "beside the model: " : "inside: ") + asset->where : "";
      text_ += row(name, asset ? size_text(asset->bytes.size()) + ", " + source : "none");
    }
  }

  fs::path path_;
  std::unique_ptr<ModelFile> file_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string text_;
  bool broken_ = false;
};

}  // namespace

int run(const InspectCommand& command) {
  Report report(find_model(command.model));
  write_output(report.text());
  if (!report.broken()) return kExitOk;
  write_note("weft: a part of this model is broken: see above");
  return kExitFailed;
}

}  // namespace weft::apps
