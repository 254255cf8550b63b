#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apps/answer_options.h"
#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/measurements.h"
#include "apps/output.h"
#include "weft/pipeline.h"
#include "weft/runner.h"
#include "weft/sampler.h"

namespace weft::apps {
namespace {

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
  double cold_ms = 0;  // from the first load's begin to the first token of all
  Measure load{"load_ms", "load", "ms", {}};
  Measure first_token{"ttft_ms", "first token", "ms", {}};
  Measure prefill{"prefill_tok_s", "prefill", "tok/s", {}};
  Measure decode{"decode_tok_s", "decode", "tok/s", {}};
  // Only with --sequences.
  Measure one_by_one{"one_by_one_tok_s", "one by one", "tok/s", {}};
  Measure together{"together_tok_s", "together", "tok/s", {}};

  [[nodiscard]] std::vector<const Measure*> all() const {
    std::vector<const Measure*> measures = {&load, &first_token, &prefill, &decode};
    if (!together.runs.empty()) measures.insert(measures.end(), {&one_by_one, &together});
    return measures;
  }
};

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

// Several conversations that go on at once.
class Conversations {
 public:
  Conversations(const LoadedModel& loaded, std::size_t n, std::size_t prompt_tokens)
      : runner_(*loaded.model->runner), prompt_tokens_(prompt_tokens), sampler_(make_sampler()) {
    for (std::size_t i = 0; i < n; ++i) {
      caches_.push_back(runner_.new_cache());
      const std::vector<Token> prompt = random_tokens(prompt_tokens, *loaded.model, i);
      const Step step{*caches_.back(), prompt};
      runner_.forward({&step, 1}, logits_);
      first_.push_back(sampler_->sample(logits_.row(0)));
    }
  }

  /// Tokens a second of all of them, `n_tokens` each, `width` of them in a call.
  double decode(std::size_t n_tokens, std::size_t width) {
    for (const auto& cache : caches_) cache->truncate(prompt_tokens_);
    std::vector<Token> last = first_;
    std::vector<Step> steps;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t n = 0; n < n_tokens; ++n) {
      for (std::size_t first = 0; first < last.size(); first += width) {
        const std::size_t count = std::min(width, last.size() - first);
        steps.clear();
        for (std::size_t i = first; i < first + count; ++i) steps.push_back({*caches_[i], {&last[i], 1}});
        runner_.forward(steps, logits_);
        for (std::size_t i = 0; i < count; ++i) last[first + i] = sampler_->sample(logits_.row(i));
      }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return static_cast<double>(n_tokens * last.size()) / seconds.count();
  }

 private:
  Runner& runner_;
  std::size_t prompt_tokens_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<std::unique_ptr<Cache>> caches_;
  std::vector<Token> first_;  // that follow the prompts
  Logits logits_;
};

void measure_sequences(const BenchCommand& command, const LoadedModel& loaded, Measures& measures) {
  Conversations conversations(loaded, command.sequences, command.prompt_tokens);
  constexpr std::size_t kWarmUp = 2;
  for (const std::size_t width : {std::size_t{1}, command.sequences}) (void)conversations.decode(kWarmUp, width);
  for (std::size_t i = 0; i < command.repeat; ++i) {
    measures.one_by_one.runs.push_back(conversations.decode(command.decode_tokens, 1));
    measures.together.runs.push_back(conversations.decode(command.decode_tokens, command.sequences));
  }
}

// False if Ctrl-C ended it.
bool measure_runs(const BenchCommand& command, const LoadedModel& loaded, Measures& measures) {
  CompletionPipeline pipeline(pipeline_parts(*loaded.model));
  const std::vector<Token> prompt = random_tokens(command.prompt_tokens, *loaded.model);
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
    if (i == 0) {  // it reads the weights from the disk and fills caches
      measures.cold_ms = measures.load.runs.front() + result.stats.first_token_s * 1e3;
      continue;
    }
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
  json["cold_ms"] = rounded(measures.cold_ms);
  json["peak_rss_mb"] = rounded(peak_rss_mb());
  json["backend"] = loaded.model->info.backend;
  json["model"] = loaded.file.string();
  json["prompt_tokens"] = command.prompt_tokens;
  json["decode_tokens"] = command.decode_tokens;
  json["sequences"] = command.sequences;
  json["threads"] = command.model.runner.threads;
  json["runs"] = runs;
  return json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string to_table(const BenchCommand& command, const LoadedModel& loaded, const Measures& measures) {
  std::string table = loaded.file.string() + " on " + loaded.model->info.backend + ", " + describe_threads(command.model) +
                      ", prompt " + std::to_string(command.prompt_tokens) + ", decode " + std::to_string(command.decode_tokens) + ", " +
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
  std::snprintf(row, sizeof row, "%-12s %10.1f %21s %s\n", "cold start", measures.cold_ms, "", "ms: first load and first token");
  table += row;
  std::snprintf(row, sizeof row, "%-12s %10.1f %21s %s\n", "peak memory", peak_rss_mb(), "", "MB");
  table += row;
  if (measures.together.runs.empty()) return table;
  std::snprintf(row, sizeof row, "\n%zu conversations: together %.2f times as fast as one by one\n", command.sequences,
                measures.together.median() / measures.one_by_one.median());
  return table + row;
}

}  // namespace

int run(const BenchCommand& command) {
  Measures measures;
  const LoadedModel loaded = measure_loads(command, measures);
  check_fits(command.prompt_tokens, command.decode_tokens, loaded);
  if (!measure_runs(command, loaded, measures)) return kExitInterrupted;
  if (command.sequences > 1) measure_sequences(command, loaded, measures);
  write_output(command.json ? to_json(command, loaded, measures) : to_table(command, loaded, measures));
  return kExitOk;
}

}  // namespace weft::apps
