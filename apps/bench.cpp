#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "apps/answer_options.h"
#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/measurements.h"
#include "apps/output.h"
#include "weft/error.h"
#include "weft/pipeline.h"

namespace weft::apps {
namespace {

constexpr std::uint64_t kSeed = 1;

struct Measure {
  const char* key;
  const char* title;
  const char* unit;
  std::vector<double> runs;

  [[nodiscard]] double median() const {
    std::vector<double> sorted = runs;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
};

struct Measures {
  Measure load{"load_ms", "load", "ms", {}};
  Measure first_token{"ttft_ms", "first token", "ms", {}};
  Measure prefill{"prefill_tok_s", "prefill", "tok/s", {}};
  Measure decode{"decode_tok_s", "decode", "tok/s", {}};

  [[nodiscard]] std::vector<const Measure*> all() const { return {&load, &first_token, &prefill, &decode}; }
};

// The standard fixes mt19937_64's numbers, not those of its distributions: the same ids everywhere.
std::vector<Token> random_tokens(std::size_t n_tokens, std::size_t vocab_size) {
  std::mt19937_64 random(kSeed);
  std::vector<Token> tokens(n_tokens);
  for (Token& token : tokens) token = static_cast<Token>(random() % vocab_size);
  return tokens;
}

void check_fits(const BenchCommand& command, const LoadedModel& loaded) {
  const std::size_t wanted = command.prompt_tokens + command.decode_tokens;
  const std::size_t context = loaded.model->runner->max_context();
  if (wanted <= context) return;
  throw Error(ErrorCode::kContextFull,
              "--prompt and --decode make " + std::to_string(wanted) + " tokens; the context holds " + std::to_string(context),
              loaded.file.string(), "ask for fewer, or export the model with a larger --max-context");
}

LoadedModel measure_loads(const BenchCommand& command, Measures& measures) {
  const std::filesystem::path file = find_model(command.model);
  LoadedModel loaded;
  for (std::size_t i = 0; i < command.repeat; ++i) {
    loaded = {};  // never two at once: the peak memory is that of one
    loaded = load(file, command.model.runner);
    measures.load.runs.push_back(loaded.load_ms);
  }
  return loaded;
}

// False if Ctrl-C ended it.
bool measure_runs(const BenchCommand& command, const LoadedModel& loaded, Measures& measures) {
  CompletionPipeline pipeline(pipeline_parts(*loaded.model));
  const std::size_t vocab_size = std::min(loaded.model->tokenizer->vocab_size(), loaded.model->runner->vocab_size());
  const std::vector<Token> prompt = random_tokens(command.prompt_tokens, vocab_size);
  InterruptPipe interrupts;
  const CancelOnInterrupt cancel(interrupts);
  GenerationOptions options;
  options.max_tokens = command.decode_tokens;
  options.ignore_stop_tokens = true;
  options.cancel = cancel.token();
  for (std::size_t i = 0; i <= command.repeat; ++i) {
    pipeline.reset();
    const GenerationResult result = pipeline.generate_tokens(prompt, options);
    if (result.finish_reason == FinishReason::kCancelled) return false;
    if (i == 0) continue;  // the first run reads the weights from the disk and fills caches
    measures.first_token.runs.push_back(result.stats.first_token_s * 1e3);
    measures.prefill.runs.push_back(result.stats.prefill_tokens_per_s());
    measures.decode.runs.push_back(result.stats.decode_tokens_per_s());
  }
  return true;
}

std::string to_json(const BenchCommand& command, const LoadedModel& loaded, const Measures& measures) {
  nlohmann::ordered_json json, runs;
  for (const Measure* measure : measures.all()) {
    json[measure->key] = rounded(measure->median());
    for (const double value : measure->runs) runs[measure->key].push_back(rounded(value));
  }
  json["peak_rss_mb"] = rounded(peak_rss_mb());
  json["backend"] = loaded.model->info.backend;
  json["model"] = loaded.file.string();
  json["prompt_tokens"] = command.prompt_tokens;
  json["decode_tokens"] = command.decode_tokens;
  json["threads"] = command.model.runner.threads;
  json["runs"] = runs;
  return json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string to_table(const BenchCommand& command, const LoadedModel& loaded, const Measures& measures) {
  const int threads = command.model.runner.threads;
  std::string table = loaded.file.string() + " on " + loaded.model->info.backend + ", " +
                      (threads > 0 ? std::to_string(threads) + " threads" : "one thread a core") + ", prompt " +
                      std::to_string(command.prompt_tokens) + ", decode " + std::to_string(command.decode_tokens) + ", " +
                      std::to_string(command.repeat) + " runs\n";
  char row[128];
  std::snprintf(row, sizeof row, "%-12s %10s %10s %10s\n", "", "median", "min", "max");
  table += row;
  for (const Measure* measure : measures.all()) {
    const auto [least, most] = std::minmax_element(measure->runs.begin(), measure->runs.end());
    std::snprintf(row, sizeof row, "%-12s %10.1f %10.1f %10.1f %s\n", measure->title, measure->median(), *least, *most,
                  measure->unit);
    table += row;
  }
  std::snprintf(row, sizeof row, "%-12s %10.1f %21s %s\n", "peak memory", peak_rss_mb(), "", "MB");
  return table + row;
}

}  // namespace

int run(const BenchCommand& command) {
  Measures measures;
  const LoadedModel loaded = measure_loads(command, measures);
  check_fits(command, loaded);
  if (!measure_runs(command, loaded, measures)) return kExitInterrupted;
  write_output(command.json ? to_json(command, loaded, measures) : to_table(command, loaded, measures));
  return kExitOk;
}

}  // namespace weft::apps
