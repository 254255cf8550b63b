#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/measurements.h"
#include "apps/output.h"
#include "apps/perplexity.h"
#include "apps/text_input.h"
#include "weft/error.h"

namespace weft::apps {
namespace {

constexpr std::size_t kDefaultContext = 1024;

std::vector<Token> read_tokens(const EvalCommand& command, const Model& model) {
  const std::string text = read_text(command.text_file);
  check_utf8(text, command.text_file.string());
  std::vector<Token> tokens = model.tokenizer->encode(text, Specials::kAsText);
  if (model.defaults.add_bos && model.defaults.bos_token) tokens.insert(tokens.begin(), *model.defaults.bos_token);
  if (command.max_tokens != 0 && tokens.size() > command.max_tokens) tokens.resize(command.max_tokens);
  if (tokens.size() < 2) {
    throw Error(ErrorCode::kInvalidArgument, "has " + std::to_string(tokens.size()) + " tokens, too few to predict any",
                command.text_file.string(), "give a longer text");
  }
  return tokens;
}

PerplexityWindows choose_windows(const EvalCommand& command, const Runner& runner) {
  const std::size_t context = command.context != 0 ? command.context : std::min(kDefaultContext, runner.max_context());
  return {.context = context, .stride = command.stride != 0 ? command.stride : std::max<std::size_t>(1, context / 2)};
}

// A line of a terminal that is written over and over; nothing elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(std::size_t total) : total_(total), shown_(isatty(STDERR_FILENO) == 1) {}
  ~ProgressLine() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::size_t done) const {
    if (shown_) std::fprintf(stderr, "\rweft: %zu of %zu tokens", done, total_);
  }

 private:
  std::size_t total_;
  bool shown_;
};

std::string to_json(const EvalCommand& command, const LoadedModel& loaded, const PerplexityWindows& windows, const Perplexity& measured,
                    double seconds) {
  nlohmann::ordered_json json;
  json["perplexity"] = measured.value();
  json["negative_log_likelihood"] = measured.negative_log_likelihood / static_cast<double>(measured.tokens);
  json["tokens"] = measured.tokens;
  json["windows"] = measured.windows;
  json["context"] = windows.context;
  json["stride"] = windows.stride;
  json["tok_s"] = rounded(static_cast<double>(measured.computed) / seconds);
  json["seconds"] = rounded(seconds);
  json["backend"] = loaded.model->info.backend;
  json["model"] = loaded.file.string();
  json["text"] = command.text_file.string();
  return json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string to_text(const PerplexityWindows& windows, const Perplexity& measured, double seconds) {
  char text[256];
  std::snprintf(text, sizeof text,
                "perplexity %.4f\n%zu tokens in %zu windows of %zu, one each %zu tokens; %.1f tok/s\n", measured.value(), measured.tokens,
                measured.windows, windows.context, windows.stride, static_cast<double>(measured.computed) / seconds);
  return text;
}

}  // namespace

int run(const EvalCommand& command) {
  const LoadedModel loaded = load(command.model);
  Runner& runner = *loaded.model->runner;
  const std::vector<Token> tokens = read_tokens(command, *loaded.model);
  const PerplexityWindows windows = choose_windows(command, runner);
  InterruptPipe interrupts;
  const CancelOnInterrupt cancel(interrupts);
  const auto start = std::chrono::steady_clock::now();
  Perplexity measured;
  {
    const ProgressLine progress(tokens.size() - 1);
    measured = measure_perplexity(runner, tokens, windows, cancel.token(), [&](std::size_t scored) { progress.show(scored); });
  }
  if (cancel.token().stop_requested()) return kExitInterrupted;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_output(command.json ? to_json(command, loaded, windows, measured, seconds) : to_text(windows, measured, seconds));
  return kExitOk;
}

}  // namespace weft::apps
