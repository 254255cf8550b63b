// Causal attention of a ragged batch over caches that live outside of the graph.
//
// One source for both backends: each registers attention() under the name `weft::attention`, and opens a
// ForwardScope around the program's call; the operator finds the caches of that call through its handle.
//
// T tokens of S sequences lie end to end; Hq query heads, Hkv key/value heads (Hq a multiple of
// Hkv), D key size, Dv value size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/kernels/kv_cache.h"
#include "weft/kernels/parallel.h"

namespace weft::kernels {

/// The rows of one sequence in a call: its next `n_tokens` tokens, beginning at cache row cache->size().
struct Sequence {
  KvCache* cache;
  std::size_t n_tokens;
};

/// Makes `sequences` the caches of the calls that this thread makes within the scope's life.
class ForwardScope {
 public:
  /// @param float_activations  Quantised linears and attention take f32 activations, whatever the program and its caches ask for.
  ForwardScope(std::span<const Sequence> sequences, const ParallelFor& parallel_for, bool float_activations = false);
  ~ForwardScope();
  ForwardScope(const ForwardScope&) = delete;
  ForwardScope& operator=(const ForwardScope&) = delete;

  /// What the program is given as `context[0]`. Never a pointer: a stale or forged one is refused.
  [[nodiscard]] std::int64_t handle() const noexcept { return handle_; }
  [[nodiscard]] std::span<const Sequence> sequences() const noexcept { return sequences_; }
  [[nodiscard]] const ParallelFor& parallel_for() const noexcept { return *parallel_for_; }
  [[nodiscard]] bool float_activations() const noexcept { return float_activations_; }

  /// The threads of the innermost scope that is open on this thread; without one, the calling thread alone. For the
  /// operators that need no caches.
  [[nodiscard]] static const ParallelFor& current_parallel_for() noexcept;
  /// What the innermost scope that is open on this thread was given; without one, false.
  [[nodiscard]] static bool current_float_activations() noexcept;

  /// The scope with this handle that is open on this thread, or nullptr.
  [[nodiscard]] static const ForwardScope* find(std::int64_t handle) noexcept;

 private:
  std::span<const Sequence> sequences_;
  const ParallelFor* parallel_for_;
  bool float_activations_;
  std::int64_t handle_;
  ForwardScope* outer_;
};

/// f32 [H, T, D] of which the last dimension is contiguous; strides in floats.
struct HeadsView {
  const float* data;
  std::size_t heads, tokens, size;
  std::size_t head_stride, token_stride;
};

struct AttentionArguments {
  HeadsView query;                             ///< [Hq, T, D]
  HeadsView key;                               ///< [Hkv, T, D]
  HeadsView value;                             ///< [Hkv, T, Dv]
  std::span<const std::int64_t> positions = {};  ///< [T]: each token's cache row.
  /// nullptr, or [T, D] contiguous: queries and keys x become x * cos + (-x[D/2:], x[:D/2]) * sin first.
  const float *rotary_cos = nullptr, *rotary_sin = nullptr;
  std::int64_t context = 0;                    ///< ForwardScope::handle().
  std::int64_t layer = 0;
  float scale = 1.0f;                          ///< Multiplies the scores.
  /// w > 0: a token sees itself and the w - 1 before it; -c < 0: only what lies in its own chunk of c tokens (Llama 4).
  std::int64_t window = 0;
  float softcap = 0.0f;                        ///< > 0: scores become softcap * tanh(score / softcap) (Gemma 2).
  std::span<const float> sinks = {};           ///< Empty, or [Hq]: one more score for each head, without a value (gpt-oss).
  float* out = nullptr;                        ///< [T, Hq, Dv], contiguous.
};

/// Writes the tokens' keys and values into their caches, then out = softmax(mask(scale * q k^T)) v, with
/// online softmax (Milakov and Gimelshein 2018) over tiles of the cache.
/// The result of a token doesn't depend on what else is in the batch or how a prompt was cut into chunks.
/// @return  nullptr, or what is wrong with the arguments (a constant string). May throw std::bad_alloc.
[[nodiscard]] const char* attention(const AttentionArguments& arguments);

}  // namespace weft::kernels
