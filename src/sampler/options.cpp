#include "options.h"

#include <charconv>
#include <cmath>
#include <random>
#include <string>
#include <string_view>

#include "weft/error.h"

namespace weft::sampling {
namespace {

std::string text_of(float value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, end);
}

/// `fine` is false for NaN too, which no comparison holds for.
void require(bool fine, std::string_view option, const std::string& value, std::string_view range,
             std::string_view fix) {
  if (fine) return;
  throw Error(ErrorCode::kInvalidArgument, value + " is not " + std::string(range), std::string(option),
              std::string(fix));
}

}  // namespace

void check_temperature(float temperature) {
  require(temperature >= 0.0f && std::isfinite(temperature), "temperature", text_of(temperature), "a number from 0 on",
          "0 is greedy, 1 leaves the model's distribution as it is");
}

void check_top_k(int top_k) {
  require(top_k >= 0, "top_k", std::to_string(top_k), "a number from 0 on", "0 keeps all tokens, 40 the 40 likeliest");
}

void check_top_p(float top_p) {
  require(top_p > 0.0f && top_p <= 1.0f, "top_p", text_of(top_p), "above 0 and at most 1",
          "1 keeps all tokens, 0.9 the likeliest with nine tenths of the probability");
}

void check_min_p(float min_p) {
  require(min_p >= 0.0f && min_p < 1.0f, "min_p", text_of(min_p), "from 0 to below 1",
          "0 keeps all tokens, 0.05 those with a twentieth of the likeliest's probability");
}

void check_penalties(const Penalties& penalties, int window) {
  require(penalties.repetition > 0.0f && std::isfinite(penalties.repetition), "repetition_penalty",
          text_of(penalties.repetition), "a number above 0", "1 is none, 1.1 a usual one");
  require(std::fabs(penalties.frequency) <= 2.0f, "frequency_penalty", text_of(penalties.frequency), "from -2 to 2",
          "0 is none");
  require(std::fabs(penalties.presence) <= 2.0f, "presence_penalty", text_of(penalties.presence), "from -2 to 2",
          "0 is none");
  require(window >= 0, "penalty_window", std::to_string(window), "a number from 0 on", "0 counts all tokens as seen");
}

void check_logit_bias(std::span<const LogitBias> biases) {
  for (const auto& [token, bias] : biases) {
    require(token >= 0, "logit_bias", "the id " + std::to_string(token), "a token", "ids count from 0");
    require(bias < INFINITY, "logit_bias", "the bias " + text_of(bias) + " of token " + std::to_string(token),
            "finite or -infinity", "-infinity bans a token, 100 all but forces it");
  }
}

std::uint64_t seed_or_random(std::optional<std::uint64_t> seed) {
  if (seed) return *seed;
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace weft::sampling
