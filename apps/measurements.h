// Times and memory of a run, as people and programs read them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "apps/chosen_model.h"
#include "weft/pipeline.h"
#include "weft/token.h"

namespace weft::apps {

/// The most memory that this process has had resident, in MiB.
[[nodiscard]] double peak_rss_mb();

/// "prompt 31 tokens at 512.3 tok/s, first token after 61 ms, 40 tokens at 61.2 tok/s".
[[nodiscard]] std::string describe(const GenerationStats& stats);

/// The same ids of the model everywhere; another `sequence` gets others.
[[nodiscard]] std::vector<Token> random_tokens(std::size_t n_tokens, const Model& model, std::size_t sequence = 0);

/// @throws Error{kContextFull}  a prompt and what is decoded after it don't fit the model's context.
void check_fits(std::size_t prompt_tokens, std::size_t decode_tokens, const LoadedModel& loaded);

/// "one thread a core" or "2 threads".
[[nodiscard]] std::string describe_threads(const ModelChoice& choice);

/// To three decimals, which is what a measurement is worth.
[[nodiscard]] double rounded(double value);

}  // namespace weft::apps
