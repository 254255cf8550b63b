// Times and memory of a run, as people and programs read them.
#pragma once

#include <string>

#include "weft/pipeline.h"

namespace weft::apps {

/// The most memory that this process has had resident, in MiB.
[[nodiscard]] double peak_rss_mb();

/// "prompt 31 tokens at 512.3 tok/s, first token after 61 ms, 40 tokens at 61.2 tok/s".
[[nodiscard]] std::string describe(const GenerationStats& stats);

/// To three decimals, which is what a measurement is worth.
[[nodiscard]] double rounded(double value);

}  // namespace weft::apps
