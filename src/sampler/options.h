// The ranges of the options, checked in one place for make_sampler() and for the single stages.
// Each throws Error{kInvalidArgument} that names the option.
#pragma once

#include <span>

#include "penalties.h"
#include "weft/sampler.h"

namespace weft::sampling {

void check_temperature(float temperature);
void check_top_k(int top_k);
void check_top_p(float top_p);
void check_min_p(float min_p);
void check_penalties(const Penalties& penalties, int window);
void check_logit_bias(std::span<const LogitBias> biases);

/// The seed that was given, or one from the system.
std::uint64_t seed_or_random(std::optional<std::uint64_t> seed);

}  // namespace weft::sampling
