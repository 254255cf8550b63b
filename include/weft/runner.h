// Tokens and a cache to logits: the only thing that differs between ExecuTorch and AOTInductor.
//
//   auto cache = runner.new_cache();
//   weft::Logits logits;
//   weft::Step step{*cache, prompt_tokens};
//   runner.forward({&step, 1}, logits);   // logits.row(0) follows the prompt's last token
//
// A Runner has weights and no state. A Cache has the state of one sequence and no weights: many
// conversations share one Runner.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/token.h"

namespace weft {

/// The state of one sequence: what the model has read so far. Made by one Runner and of use to it alone.
class Cache {
 public:
  virtual ~Cache() = default;
  /// Tokens held.
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  /// The most tokens that it can hold.
  [[nodiscard]] virtual std::size_t capacity() const noexcept = 0;
  /// Goes back to the first `n_tokens` tokens; what follows is as if never read.
  /// @throws Error{kInvalidArgument}  n_tokens > size().
  virtual void truncate(std::size_t n_tokens) = 0;
  /// An independent copy. Costs a copy of what is held.
  [[nodiscard]] virtual std::unique_ptr<Cache> fork() const = 0;
  /// Writes the state for Runner::load_cache(). @throws Error{kIo}.
  virtual void save(std::ostream& out) const = 0;
};

/// Whose logits a step wants.
enum class LogitRows {
  kLast,  ///< Only those that follow the step's last token: one row.
  kAll,   ///< Those that follow each token: as many rows as tokens. For perplexity and speculative decoding.
};

/// Advances one sequence by these tokens.
struct Step {
  Cache& cache;
  std::span<const Token> tokens;
  LogitRows rows = LogitRows::kLast;
};

/// f32 [rows(), vocab_size()], row-major, not normalised. Keeps its memory between calls.
class Logits {
 public:
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t vocab_size() const noexcept { return vocab_size_; }
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span<const float>(data_).subspan(i * vocab_size_, vocab_size_);
  }
  [[nodiscard]] std::span<float> row(std::size_t i) {
    return std::span<float>(data_).subspan(i * vocab_size_, vocab_size_);
  }
  [[nodiscard]] std::span<const float> data() const noexcept { return {data_.data(), rows_ * vocab_size_}; }
  /// Contents become indeterminate.
  void resize(std::size_t rows, std::size_t vocab_size) {
    rows_ = rows;
    vocab_size_ = vocab_size;
    if (data_.size() < rows * vocab_size) data_.resize(rows * vocab_size);
  }

 private:
  std::size_t rows_ = 0, vocab_size_ = 0;
  std::vector<float> data_;
};

class Runner {
 public:
  virtual ~Runner() = default;

  [[nodiscard]] virtual std::size_t vocab_size() const noexcept = 0;
  /// The most tokens that one cache can hold.
  [[nodiscard]] virtual std::size_t max_context() const noexcept = 0;

  /// An empty cache. @throws Error{kTooLarge} if memory for it can't be had.
  [[nodiscard]] virtual std::unique_ptr<Cache> new_cache() = 0;
  /// Reads what Cache::save() wrote, from a runner of the same model.
  /// @throws Error{kCorrupt, kInvalidArgument}  cut short, edited, or of another model.
  [[nodiscard]] virtual std::unique_ptr<Cache> load_cache(std::istream& in) = 0;

  /// Advances every sequence by its own tokens; long steps are cut into chunks inside.
  ///
  /// @param steps  S of them, S >= 1; step i has T_i >= 1 tokens. No two share a cache.
  /// @param out    Becomes f32 [R, vocab_size()], R being the sum over the steps of 1 (kLast) or T_i
  ///               (kAll): the rows of steps[0] first.
  /// @throws Error{kContextFull, kInvalidArgument}  before anything changes: no cache has advanced.
  /// @throws Error{kBackend}  the program failed; every cache is as it was before the call.
  /// Not thread-safe. Costs about sum(T_i) * 2 * parameters FLOPs.
  virtual void forward(std::span<const Step> steps, Logits& out) = 0;
};

}  // namespace weft
