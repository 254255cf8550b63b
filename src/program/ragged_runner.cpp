// Many sequences on one program, whose caches lie outside of the graph.

#include <algorithm>
#include <istream>
#include <new>
#include <ostream>
#include <utility>

#include "src/program/runner_checks.h"
#include "weft/error.h"

namespace weft {
namespace {

class RaggedRunner;

class RaggedCache final : public Cache {
 public:
  RaggedCache(const RaggedRunner* owner, kernels::KvCache rows) : owner_(owner), rows_(std::move(rows)) {}

  [[nodiscard]] std::size_t size() const noexcept override { return rows_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept override { return rows_.capacity(); }
  void truncate(std::size_t n_tokens) override {
    check_truncate(n_tokens, rows_.size());
    rows_.set_size(n_tokens);
  }
  [[nodiscard]] std::unique_ptr<Cache> fork() const override { return std::make_unique<RaggedCache>(owner_, rows_.fork()); }
  void save(std::ostream& out) const override;

  [[nodiscard]] const RaggedRunner* owner() const noexcept { return owner_; }
  [[nodiscard]] kernels::KvCache& rows() noexcept { return rows_; }

 private:
  const RaggedRunner* owner_;
  kernels::KvCache rows_;
};

kernels::KvType choose_cache_type(const ProgramInfo& info, const RunnerOptions& options) {
  CacheType type = options.cache_type;
  if (type == CacheType::kAsExported) type = options.float_activations ? CacheType::kFloat32 : info.cache_type;
  switch (type) {
    case CacheType::kFloat16: return kernels::KvType::kFloat16;
    case CacheType::kBFloat16: return kernels::KvType::kBFloat16;
    case CacheType::kInt8: return kernels::KvType::kInt8;
    case CacheType::kAsExported:
    case CacheType::kFloat32: break;
  }
  return kernels::KvType::kFloat32;
}

// What is left to do of one step.
struct Pending {
  RaggedCache* cache;
  std::span<const Token> tokens;
  bool all_rows;
  std::size_t out_row;  // where its next row of logits goes

  [[nodiscard]] std::size_t rows_for(std::size_t n) const {
    if (all_rows) return n;
    return n == tokens.size() ? 1 : 0;
  }
};

class RaggedRunner final : public Runner {
 public:
  RaggedRunner(std::unique_ptr<Program> program, ProgramInfo info, const RunnerOptions& options, std::string name)
      : program_(std::move(program)), info_(std::move(info)), max_context_(choose_context(info_, options)),
        cache_type_(choose_cache_type(info_, options)), float_activations_(options.float_activations), name_(std::move(name)) {}

  [[nodiscard]] std::size_t vocab_size() const noexcept override { return info_.vocab_size; }
  [[nodiscard]] std::size_t max_context() const noexcept override { return max_context_; }
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return info_.fingerprint; }

  [[nodiscard]] std::unique_ptr<Cache> new_cache() override {
    return std::make_unique<RaggedCache>(this, kernels::KvCache(info_.layers, max_context_, cache_type_));
  }

  [[nodiscard]] std::unique_ptr<Cache> load_cache(std::istream& in) override {
    std::uint64_t fingerprint = 0;
    in.read(reinterpret_cast<char*>(&fingerprint), sizeof fingerprint);
    kernels::KvCache rows(info_.layers, max_context_, cache_type_);
    std::string problem;
    if (in.gcount() != sizeof fingerprint) {
      problem = "ends within its header";
    } else if (fingerprint != info_.fingerprint) {
      problem = "is of another model";
    } else {
      problem = rows.load(in);
    }
    if (!problem.empty()) {
      throw Error(ErrorCode::kCorrupt, "the saved cache " + problem, "runner '" + name_ + "'",
                  "load a session that was saved with this very model file and type of cache");
    }
    return std::make_unique<RaggedCache>(this, std::move(rows));
  }

  void forward(std::span<const Step> steps, Logits& out) override {
    const std::size_t rows = check_steps(steps, info_.vocab_size, name_, [this](const Cache& cache) {
      const auto* ours = dynamic_cast<const RaggedCache*>(&cache);
      return ours != nullptr && ours->owner() == this;
    });
    out.resize(rows, info_.vocab_size);

    std::vector<Pending> pending;
    std::vector<std::pair<kernels::KvCache*, std::size_t>> before;
    std::size_t out_row = 0;
    for (const Step& step : steps) {
      auto& cache = static_cast<RaggedCache&>(step.cache);
      before.emplace_back(&cache.rows(), cache.size());
      pending.push_back({&cache, step.tokens, step.rows == LogitRows::kAll, out_row});
      out_row += step.rows == LogitRows::kAll ? step.tokens.size() : 1;
    }
    try {
      while (std::any_of(pending.begin(), pending.end(), [](const Pending& p) { return !p.tokens.empty(); })) {
        run_once(pending, out);
      }
    } catch (...) {
      for (const auto& [cache, size] : before) cache->set_size(size);
      try {
        throw;
      } catch (const std::bad_alloc&) {
        throw Error(ErrorCode::kTooLarge, "no memory for more cache", "runner '" + name_ + "'",
                    "use fewer or shorter conversations at once");
      }
    }
  }

 private:
  // One call of the program: as much of what is pending as its bounds take.
  void run_once(std::vector<Pending>& pending, Logits& out) {
    tokens_.clear();
    positions_.clear();
    rows_.clear();
    sequences_.clear();
    struct Taken {
      Pending* step;
      std::size_t n_tokens, n_rows;
    };
    std::vector<Taken> taken;
    for (Pending& step : pending) {
      std::size_t n = std::min(step.tokens.size(), info_.max_tokens - tokens_.size());
      const std::size_t free_rows = info_.max_rows - rows_.size();
      if (step.all_rows) n = std::min(n, free_rows);
      if (step.rows_for(n) > free_rows) --n;  // its last token waits for a call that has a row for it
      if (n == 0) continue;
      const std::size_t start = step.cache->size();
      for (std::size_t i = 0; i < n; ++i) {
        if (step.all_rows || i + 1 == step.tokens.size()) rows_.push_back(static_cast<std::int64_t>(tokens_.size()));
        tokens_.push_back(step.tokens[i]);
        positions_.push_back(static_cast<std::int64_t>(start + i));
      }
      sequences_.push_back({&step.cache->rows(), n});
      taken.push_back({&step, n, step.rows_for(n)});
    }
    const bool unwanted = rows_.empty();  // only the middles of long prompts: the program still gives one row
    if (unwanted) rows_.push_back(static_cast<std::int64_t>(tokens_.size()) - 1);

    const kernels::ForwardScope scope(sequences_, program_->parallel_for(), float_activations_);
    const std::int64_t handle = scope.handle();
    const auto size = [](const std::vector<std::int64_t>& v) { return std::vector<std::int64_t>{static_cast<std::int64_t>(v.size())}; };
    const ProgramInput inputs[] = {{tokens_.data(), size(tokens_)},
                                   {positions_.data(), size(positions_)},
                                   {rows_.data(), size(rows_)},
                                   {&handle, {1}}};
    const ProgramOutput logits = program_->execute(inputs);
    check_output(logits, rows_.size(), info_.vocab_size, name_);

    const float* row = logits.data;
    for (const Taken& part : taken) {
      for (std::size_t i = 0; i < part.n_rows; ++i, row += info_.vocab_size) {
        std::copy_n(row, info_.vocab_size, out.row(part.step->out_row++).begin());
      }
      part.step->cache->rows().set_size(part.step->cache->size() + part.n_tokens);
      part.step->tokens = part.step->tokens.subspan(part.n_tokens);
    }
  }

  std::unique_ptr<Program> program_;
  ProgramInfo info_;
  std::size_t max_context_;
  kernels::KvType cache_type_;
  bool float_activations_;
  std::string name_;
  std::vector<std::int64_t> tokens_, positions_, rows_;  // of one call; members to keep their memory
  std::vector<kernels::Sequence> sequences_;
};

void RaggedCache::save(std::ostream& out) const {
  const std::uint64_t fingerprint = owner_->fingerprint();
  out.write(reinterpret_cast<const char*>(&fingerprint), sizeof fingerprint);
  rows_.save(out);
  if (!out) throw Error(ErrorCode::kIo, "the cache could not be written", "cache", "see that the disk has room");
}

}  // namespace

std::unique_ptr<Runner> make_ragged_runner(const ProgramLoader& load, ProgramInfo info, const RunnerOptions& options,
                                           std::string name) {
  return std::make_unique<RaggedRunner>(load(), std::move(info), options, std::move(name));
}

}  // namespace weft
