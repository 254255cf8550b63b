// An exported program (tensors in, logits out) to a Runner.
//
// What both backends share: the metadata contract, ragged batches, chunks, caches and their rollback. A
// backend implements Program over its SDK; make_runner() does the rest. docs/model-file.md has the contracts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/backend.h"
#include "weft/kernels/attention.h"
#include "weft/runner.h"

namespace weft {

/// i64, contiguous, row-major; lent for the call.
struct ProgramInput {
  const std::int64_t* data;
  std::vector<std::int64_t> sizes;
};

/// f32, contiguous, row-major; valid until the next execute().
struct ProgramOutput {
  const float* data;
  std::vector<std::int64_t> sizes;
};

/// One loaded method "forward" with its own mutable state.
class Program {
 public:
  virtual ~Program() = default;
  /// Runs the method. @throws Error{kBackend}.
  virtual ProgramOutput execute(std::span<const ProgramInput> inputs) = 0;
  /// How this backend spreads work over its threads.
  [[nodiscard]] virtual const kernels::ParallelFor& parallel_for() const = 0;
};

/// How a program keeps its sequences.
enum class Contract {
  kRagged,   ///< forward(tokens [T], positions [T], rows [R], context [1]) -> [R, V]; caches outside of the graph.
  kInGraph,  ///< forward(tokens [1, T], positions [T]) -> [1, T, V]; one sequence, caches are buffers.
};

struct ProgramInfo {
  Contract contract = Contract::kRagged;
  std::size_t vocab_size = 0;
  std::size_t max_context = 0;                 ///< Tokens of one sequence.
  std::size_t max_tokens = 0;                  ///< T of one call.
  std::size_t max_rows = 0;                    ///< R of one call; kRagged only.
  bool recurrent = false;                      ///< The state can't go back: kInGraph only; position 0 begins it anew.
  std::vector<kernels::KvLayerShape> layers;   ///< kRagged only.
  CacheType cache_type = CacheType::kFloat32;  ///< kRagged only, never kAsExported: unless RunnerOptions say otherwise.
  std::uint64_t fingerprint = 0;               ///< Tells saved caches of other models apart.
};

/// Reads "weft.json". @param where  Stands in errors.
/// @throws Error{kUnsupported}  not written by weft's export, or by a newer one; Error{kCorrupt} naming the key.
[[nodiscard]] ProgramInfo parse_program_info(std::string_view weft_json, const std::string& where);

/// Loads the method anew: mutable buffers are the instance's own, weights are shared as far as the SDK can.
using ProgramLoader = std::function<std::unique_ptr<Program>()>;

/// @param load  Called once here, so that what is wrong shows now; again for each further cache of kInGraph.
/// @param name  The model's, for errors.
[[nodiscard]] std::unique_ptr<Runner> make_runner(ProgramLoader load, ProgramInfo info, const RunnerOptions& options,
                                                  std::string name);

}  // namespace weft
