// A backend without any SDK, as the plug-in "executorch": lets model loading and the command line be tested without
// a real model, in milliseconds.
//
// Its model file is eight bytes, "xxxxET12", then JSON:
//   {"assets": {"tokenizer.json": "..."}, "vocab_size": 8, "max_context": 64, "next": {"3": 5}}
// After token t, next[t] is by far the likeliest (t + 1 where it isn't listed): greedy decoding follows the list.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <istream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "weft/backend.h"
#include "weft/error.h"

namespace {

using Json = nlohmann::json;
using weft::Error;
using weft::ErrorCode;

constexpr std::size_t kHeadBytes = 8;
constexpr float kLikely = 20.0f;

class FakeCache final : public weft::Cache {
 public:
  explicit FakeCache(std::size_t capacity) : capacity_(capacity) {}

  [[nodiscard]] std::size_t size() const noexcept override { return tokens.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept override { return capacity_; }
  void truncate(std::size_t n_tokens) override {
    if (n_tokens > tokens.size()) throw Error(ErrorCode::kInvalidArgument, "truncates to more than it holds");
    tokens.resize(n_tokens);
  }
  [[nodiscard]] std::unique_ptr<Cache> fork() const override { return std::make_unique<FakeCache>(*this); }
  void save(std::ostream& out) const override { out << Json(tokens).dump() << '\n'; }

  std::vector<weft::Token> tokens;

 private:
  std::size_t capacity_;
};

class FakeRunner final : public weft::Runner {
 public:
  FakeRunner(std::size_t vocab_size, std::size_t max_context, std::map<weft::Token, weft::Token> next)
      : vocab_size_(vocab_size), max_context_(max_context), next_(std::move(next)) {}

  [[nodiscard]] std::size_t vocab_size() const noexcept override { return vocab_size_; }
  [[nodiscard]] std::size_t max_context() const noexcept override { return max_context_; }
  [[nodiscard]] std::unique_ptr<weft::Cache> new_cache() override { return std::make_unique<FakeCache>(max_context_); }

  [[nodiscard]] std::unique_ptr<weft::Cache> load_cache(std::istream& in) override {
    std::string line;
    std::getline(in, line);
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_array()) throw Error(ErrorCode::kCorrupt, "is no cache of the fake backend", "cache");
    auto cache = std::make_unique<FakeCache>(max_context_);
    cache->tokens = json.get<std::vector<weft::Token>>();
    return cache;
  }

  void forward(std::span<const weft::Step> steps, weft::Logits& out) override {
    std::size_t rows = 0;
    for (const weft::Step& step : steps) {
      if (step.cache.size() + step.tokens.size() > max_context_) {
        throw Error(ErrorCode::kContextFull, "the fake cache is full", "fake runner");
      }
      rows += step.rows == weft::LogitRows::kAll ? step.tokens.size() : 1;
    }
    out.resize(rows, vocab_size_);
    std::size_t row = 0;
    for (const weft::Step& step : steps) {
      auto& held = static_cast<FakeCache&>(step.cache).tokens;
      held.insert(held.end(), step.tokens.begin(), step.tokens.end());
      const std::size_t n_rows = step.rows == weft::LogitRows::kAll ? step.tokens.size() : 1;
      for (const weft::Token token : step.tokens.last(n_rows)) fill(out.row(row++), token);
    }
  }

 private:
  void fill(std::span<float> logits, weft::Token token) const {
    std::fill(logits.begin(), logits.end(), 0.0f);
    const auto listed = next_.find(token);
    const auto next = listed != next_.end() ? static_cast<std::size_t>(listed->second) : static_cast<std::size_t>(token) + 1;
    logits[next % vocab_size_] = kLikely;
  }

  std::size_t vocab_size_, max_context_;
  std::map<weft::Token, weft::Token> next_;
};

class FakeFile final : public weft::ModelFile {
 public:
  explicit FakeFile(Json json) : json_(std::move(json)) {}

  [[nodiscard]] std::vector<std::string> assets() const override {
    std::vector<std::string> names;
    for (const auto& [name, text] : json_.at("assets").items()) names.push_back(name);
    return names;
  }
  [[nodiscard]] std::optional<std::string> asset(std::string_view name) const override {
    const auto found = json_.at("assets").find(std::string(name));
    if (found == json_.at("assets").end()) return std::nullopt;
    return found->get<std::string>();
  }
  [[nodiscard]] std::vector<std::string> methods() const override { return {"forward"}; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const override {
    return {{"forward: delegates", "none"}};
  }
  [[nodiscard]] std::unique_ptr<weft::Runner> load_runner(const weft::RunnerOptions&) override {
    std::map<weft::Token, weft::Token> next;
    const Json listed = json_.value("next", Json::object());
    for (const auto& [token, follower] : listed.items()) {
      next[std::stoi(token)] = follower.get<weft::Token>();
    }
    return std::make_unique<FakeRunner>(json_.at("vocab_size").get<std::size_t>(),
                                        json_.at("max_context").get<std::size_t>(), std::move(next));
  }

 private:
  Json json_;
};

class FakeBackend final : public weft::Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "executorch"; }
  [[nodiscard]] std::unique_ptr<weft::ModelFile> open(const std::filesystem::path& path) const override {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    Json json = Json::parse(bytes.substr(std::min(bytes.size(), kHeadBytes)), nullptr, false);
    if (!json.is_object()) throw Error(ErrorCode::kCorrupt, "is no model of the fake backend", path.string());
    return std::make_unique<FakeFile>(std::move(json));
  }
};

}  // namespace

extern "C" const weft::Backend* weft_backend(const char* abi) {
  static const FakeBackend backend;
  return std::strcmp(abi, weft::kBackendAbi) == 0 ? &backend : nullptr;
}
