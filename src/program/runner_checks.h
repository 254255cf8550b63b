// What every runner over a Program checks before it changes anything.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "weft/program.h"
#include "weft/runner.h"

namespace weft {

/// Refuses empty calls, empty steps, foreign or shared caches, ids outside of the vocabulary, full contexts.
/// @param owns  Whether a cache was made by the runner that asks.
/// @return      Rows of logits that the steps ask for.
std::size_t check_steps(std::span<const Step> steps, std::size_t vocab_size, const std::string& name,
                        const std::function<bool(const Cache&)>& owns);

/// Refuses an output of another shape than f32 [..., rows, vocab_size].
void check_output(const ProgramOutput& output, std::size_t rows, std::size_t vocab_size, const std::string& name);

/// Throws for Cache::truncate(n) beyond a cache's size.
void check_truncate(std::size_t n, std::size_t size);

/// What `load` loads, with every operation told to `on_operation`.
[[nodiscard]] ProgramLoader observed(ProgramLoader load, std::function<void(const Operation&)> on_operation);

/// The context that caches get: the smaller one of what the model allows and what the caller asked for.
[[nodiscard]] std::size_t choose_context(const ProgramInfo& info, const RunnerOptions& options);

[[nodiscard]] std::unique_ptr<Runner> make_ragged_runner(const ProgramLoader& load, ProgramInfo info,
                                                         const RunnerOptions& options, std::string name);
[[nodiscard]] std::unique_ptr<Runner> make_in_graph_runner(ProgramLoader load, ProgramInfo info,
                                                           const RunnerOptions& options, std::string name);

}  // namespace weft
