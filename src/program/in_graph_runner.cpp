// One sequence for each loaded instance of a program, whose caches are buffers inside of the graph.
//
// A cache is an instance and the tokens that it has read. What the graph can't do (copy or save its
// buffers, take a recurrent state back) is done by reading those tokens again: slower, same logits.

#include <algorithm>
#include <istream>
#include <ostream>
#include <utility>

#include "src/program/runner_checks.h"
#include "weft/error.h"
#include "weft/kernels/attention.h"

namespace weft {
namespace {

class InGraphRunner;

class InGraphCache final : public Cache {
 public:
  InGraphCache(InGraphRunner* owner, std::unique_ptr<Program> instance) : owner_(owner), instance_(std::move(instance)) {}

  [[nodiscard]] std::size_t size() const noexcept override { return tokens_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept override;
  // Rows of attention behind the position of the next token are never looked at before they are written again.
  void truncate(std::size_t n_tokens) override {
    check_truncate(n_tokens, tokens_.size());
    tokens_.resize(n_tokens);
    if (read_ > n_tokens) read_ = keeps_rows() ? n_tokens : 0;
  }
  [[nodiscard]] std::unique_ptr<Cache> fork() const override;
  void save(std::ostream& out) const override;

  [[nodiscard]] InGraphRunner* owner() const noexcept { return owner_; }
  [[nodiscard]] Program& instance() noexcept { return *instance_; }
  [[nodiscard]] std::vector<Token>& tokens() noexcept { return tokens_; }
  /// How many of the tokens the instance's state holds: fewer where a recurrent state must be made again.
  [[nodiscard]] std::size_t& read() noexcept { return read_; }

 private:
  [[nodiscard]] bool keeps_rows() const noexcept;
  InGraphRunner* owner_;
  std::unique_ptr<Program> instance_;
  std::vector<Token> tokens_;
  std::size_t read_ = 0;
};

class InGraphRunner final : public Runner {
 public:
  InGraphRunner(ProgramLoader load, ProgramInfo info, const RunnerOptions& options, std::string name)
      : load_(std::move(load)),
        spare_(load_()),
        info_(std::move(info)),
        max_context_(choose_context(info_, options)),
        float_activations_(options.float_activations),
        name_(std::move(name)) {}

  [[nodiscard]] std::size_t vocab_size() const noexcept override { return info_.vocab_size; }
  [[nodiscard]] std::size_t max_context() const noexcept override { return max_context_; }
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return info_.fingerprint; }
  [[nodiscard]] bool recurrent() const noexcept { return info_.recurrent; }

  [[nodiscard]] std::unique_ptr<Cache> new_cache() override {
    return std::make_unique<InGraphCache>(this, spare_ ? std::move(spare_) : load_());
  }

  [[nodiscard]] std::unique_ptr<Cache> load_cache(std::istream& in) override {
    std::uint64_t header[2] = {};
    in.read(reinterpret_cast<char*>(header), sizeof header);
    std::vector<Token> tokens;
    if (in.gcount() == sizeof header && header[0] == info_.fingerprint && header[1] <= max_context_) {
      tokens.resize(header[1]);
      in.read(reinterpret_cast<char*>(tokens.data()), static_cast<std::streamsize>(tokens.size() * sizeof(Token)));
    }
    if (!in || header[0] != info_.fingerprint || header[1] > max_context_) {
      throw Error(ErrorCode::kCorrupt, "the saved cache is cut short or of another model", "runner '" + name_ + "'",
                  "load a session that was saved with this very model file");
    }
    return replay(tokens);
  }

  /// A new cache that has read `tokens`.
  [[nodiscard]] std::unique_ptr<Cache> replay(std::span<const Token> tokens) {
    auto cache = new_cache();
    if (!tokens.empty()) {
      Logits unused;
      const Step step{*cache, tokens};
      forward({&step, 1}, unused);
    }
    return cache;
  }

  void forward(std::span<const Step> steps, Logits& out) override {
    const std::size_t rows = check_steps(steps, info_.vocab_size, name_, [this](const Cache& cache) {
      const auto* ours = dynamic_cast<const InGraphCache*>(&cache);
      return ours != nullptr && ours->owner() == this;
    });
    out.resize(rows, info_.vocab_size);
    std::vector<std::size_t> before;
    for (const Step& step : steps) before.push_back(step.cache.size());
    std::size_t out_row = 0;
    try {
      for (const Step& step : steps) advance(step, out, out_row);
    } catch (...) {
      for (std::size_t i = 0; i < steps.size(); ++i) steps[i].cache.truncate(before[i]);
      throw;
    }
  }

 private:
  void advance(const Step& step, Logits& out, std::size_t& out_row) {
    auto& cache = static_cast<InGraphCache&>(step.cache);
    const std::vector<Token> again(cache.tokens().begin() + static_cast<std::ptrdiff_t>(cache.read()), cache.tokens().end());
    for (std::span<const Token> rest = again; !rest.empty();) run_chunk(cache, rest);
    for (auto rest = step.tokens; !rest.empty();) {
      const std::size_t before = cache.read();
      const ProgramOutput logits = run_chunk(cache, rest);
      const std::size_t n = cache.read() - before;
      const auto read = step.tokens.subspan(step.tokens.size() - rest.size() - n, n);
      cache.tokens().insert(cache.tokens().end(), read.begin(), read.end());
      const bool all = step.rows == LogitRows::kAll;
      for (std::size_t i = all ? 0 : n - 1; i < n && (all || rest.empty()); ++i) {
        std::copy_n(logits.data + i * info_.vocab_size, info_.vocab_size, out.row(out_row++).begin());
      }
    }
  }

  // The program's next call: reads as much of `rest` as it takes, and cuts that off.
  ProgramOutput run_chunk(InGraphCache& cache, std::span<const Token>& rest) {
    const auto chunk = rest.first(std::min(rest.size(), info_.max_tokens));
    rest = rest.subspan(chunk.size());
    tokens_.assign(chunk.begin(), chunk.end());
    positions_.resize(chunk.size());
    for (std::size_t i = 0; i < chunk.size(); ++i) positions_[i] = static_cast<std::int64_t>(cache.read() + i);
    const auto n = static_cast<std::int64_t>(chunk.size());
    const ProgramInput inputs[] = {{tokens_.data(), {1, n}}, {positions_.data(), {n}}};
    // A call that fails may have advanced a recurrent state: then it is made again from the first token.
    const std::size_t before = std::exchange(cache.read(), info_.recurrent ? 0 : cache.read());
    // For the operators that have no caches: quantised linears.
    const kernels::ForwardScope scope({}, cache.instance().parallel_for(), float_activations_);
    const ProgramOutput logits = cache.instance().execute(inputs);
    check_output(logits, chunk.size(), info_.vocab_size, name_);
    cache.read() = before + chunk.size();
    return logits;
  }

  ProgramLoader load_;
  std::unique_ptr<Program> spare_;  // loaded, but no cache's yet
  ProgramInfo info_;
  std::size_t max_context_;
  bool float_activations_;
  std::string name_;
  std::vector<std::int64_t> tokens_, positions_;
};

std::size_t InGraphCache::capacity() const noexcept { return owner_->max_context(); }

bool InGraphCache::keeps_rows() const noexcept { return !owner_->recurrent(); }

std::unique_ptr<Cache> InGraphCache::fork() const { return owner_->replay(tokens_); }

void InGraphCache::save(std::ostream& out) const {
  const std::uint64_t header[2] = {owner_->fingerprint(), tokens_.size()};
  out.write(reinterpret_cast<const char*>(header), sizeof header);
  out.write(reinterpret_cast<const char*>(tokens_.data()), static_cast<std::streamsize>(tokens_.size() * sizeof(Token)));
  if (!out) throw Error(ErrorCode::kIo, "the cache could not be written", "cache", "see that the disk has room");
}

}  // namespace

std::unique_ptr<Runner> make_in_graph_runner(ProgramLoader load, ProgramInfo info, const RunnerOptions& options,
                                             std::string name) {
  return std::make_unique<InGraphRunner>(std::move(load), std::move(info), options, std::move(name));
}

}  // namespace weft
