#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/measurements.h"
#include "apps/new_file.h"
#include "apps/output.h"
#include "weft/error.h"
#include "weft/runner.h"
#include "weft/sampler.h"

namespace weft::apps {
namespace {

using Json = nlohmann::ordered_json;

// What this command times itself. Their own time, without that of the operations within, is what nothing else explains.
constexpr std::string_view kForward = "forward", kSample = "sampling";

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Operations in the order in which they ended. Names and shapes are few: each is kept once.
class Recording {
 public:
  struct Kind {
    std::string name, shape;
    auto operator<=>(const Kind&) const = default;
  };
  struct Event {
    const Kind* kind;
    std::size_t weight_bytes;
    std::int64_t begin_ns, end_ns;
  };

  void add(const Operation& operation) {
    const auto [found, added] = kinds_.try_emplace(std::pair{std::string(operation.name), std::string(operation.shape)});
    if (added) found->second = {found->first.first, found->first.second};
    events_.push_back({&found->second, operation.weight_bytes, operation.begin_ns, operation.end_ns});
  }
  template <class Work>
  auto time(std::string_view name, const Work& work) {
    const std::int64_t begin = now_ns();
    const auto end = [&] { add({name, {}, 0, begin, now_ns()}); };
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      end();
    } else {
      const auto result = work();
      end();
      return result;
    }
  }

  [[nodiscard]] const std::vector<Event>& events() const noexcept { return events_; }
  void clear() { events_.clear(); }

 private:
  std::map<std::pair<std::string, std::string>, Kind> kinds_;
  std::vector<Event> events_;
};

// One line of the table: all operations of a kind.
struct Line {
  const Recording::Kind* kind;
  std::size_t calls = 0;
  double own_ns = 0;  // without what is within them
  double weight_bytes = 0;
};

// The steps of one kind: the prompt, or the tokens after it.
struct Phase {
  std::string name;
  std::size_t steps = 0, tokens = 0;
  std::int64_t begin_ns = 0, end_ns = 0;
  std::vector<Recording::Event> events = {};  // by their begin, outer ones first
  std::vector<Line> lines = {};               // the longest first
  double unexplained_ns = 0;             // between the operations

  [[nodiscard]] double wall_ns() const { return static_cast<double>(end_ns - begin_ns); }
};

void attribute(Phase& phase) {
  std::stable_sort(phase.events.begin(), phase.events.end(), [](const auto& a, const auto& b) {
    return a.begin_ns != b.begin_ns ? a.begin_ns < b.begin_ns : a.end_ns > b.end_ns;
  });
  std::map<const Recording::Kind*, Line> lines;
  std::vector<const Recording::Event*> open;
  phase.unexplained_ns = phase.wall_ns();
  for (const auto& event : phase.events) {
    while (!open.empty() && open.back()->end_ns <= event.begin_ns) open.pop_back();
    const auto duration = static_cast<double>(event.end_ns - event.begin_ns);
    (open.empty() ? phase.unexplained_ns : lines[open.back()->kind].own_ns) -= duration;
    Line& line = lines[event.kind];
    line.kind = event.kind;
    ++line.calls;
    line.own_ns += duration;
    line.weight_bytes += static_cast<double>(event.weight_bytes);
    open.push_back(&event);
  }
  for (const auto& [kind, line] : lines) phase.lines.push_back(line);
  std::stable_sort(phase.lines.begin(), phase.lines.end(), [](const Line& a, const Line& b) { return a.own_ns > b.own_ns; });
}

Phase record(Recording& recording, std::string name, std::size_t steps, std::size_t tokens, const std::function<void()>& work) {
  Phase phase{.name = std::move(name), .steps = steps, .tokens = tokens};
  recording.clear();
  phase.begin_ns = now_ns();
  work();
  phase.end_ns = now_ns();
  phase.events = recording.events();
  attribute(phase);
  return phase;
}

// What a person reads.
std::string title(const Recording::Kind& kind) {
  if (kind.name == kForward) return "runner: batch, copy of the logits";
  if (kind.name == "program") return "the rest of the program";
  return kind.shape.empty() ? kind.name : kind.name + " " + kind.shape;
}

std::string to_table(const ProfileCommand& command, const LoadedModel& loaded, const std::vector<Phase>& phases) {
  std::string table = loaded.file.string() + " on " + loaded.model->info.backend + ", " + describe_threads(command.model) + "\n";
  char row[256];
  for (const Phase& phase : phases) {
    const double wall = phase.wall_ns(), steps = static_cast<double>(phase.steps);
    std::snprintf(row, sizeof row, "\n%s: %.3f ms, %.1f tok/s\n%7s %11s %9s %10s %7s  operation\n", phase.name.c_str(), wall / steps / 1e6,
                  static_cast<double>(phase.tokens) / wall * 1e9, "share", phase.steps > 1 ? "ms a token" : "ms", "calls", "us a call", "GB/s");
    table += row;
    const auto add = [&](double ns, const char* calls, const char* each, const char* rate, const std::string& name) {
      std::snprintf(row, sizeof row, "%6.2f%% %11.4f %9s %10s %7s  ", 100 * ns / wall, ns / steps / 1e6, calls, each, rate);
      table += row + name + "\n";
    };
    for (const Line& line : phase.lines) {
      char calls[32], each[32], rate[32] = "";
      std::snprintf(calls, sizeof calls, "%g", rounded(static_cast<double>(line.calls) / steps));
      std::snprintf(each, sizeof each, "%.2f", line.own_ns / static_cast<double>(line.calls) / 1e3);
      if (line.weight_bytes > 0) std::snprintf(rate, sizeof rate, "%.1f", line.weight_bytes / line.own_ns);
      add(line.own_ns, calls, each, rate, title(*line.kind));
    }
    add(phase.unexplained_ns, "", "", "", "between them");
  }
  return table;
}

std::string to_json(const ProfileCommand& command, const LoadedModel& loaded, const std::vector<Phase>& phases) {
  Json json;
  json["backend"] = loaded.model->info.backend;
  json["model"] = loaded.file.string();
  json["threads"] = command.model.runner.threads;
  for (const Phase& phase : phases) {
    const double steps = static_cast<double>(phase.steps);
    Json operations = Json::array();
    for (const Line& line : phase.lines) {
      Json& entry = operations.emplace_back();
      entry["name"] = line.kind->name;
      entry["shape"] = line.kind->shape;
      entry["calls"] = line.calls;
      entry["own_ms"] = line.own_ns / 1e6;
      entry["share"] = line.own_ns / phase.wall_ns();
      entry["weight_bytes"] = line.weight_bytes;
    }
    json["phases"].push_back({{"name", phase.name},
                              {"steps", phase.steps},
                              {"tokens", phase.tokens},
                              {"ms", phase.wall_ns() / 1e6},
                              {"ms_per_step", phase.wall_ns() / steps / 1e6},
                              {"unexplained_share", phase.unexplained_ns / phase.wall_ns()},
                              {"operations", operations}});
  }
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

// The format that chrome://tracing began and Perfetto reads: microseconds, and complete events ("X") that may nest.
void write_trace(const ProfileCommand& command, const LoadedModel& loaded, const std::vector<Phase>& phases) {
  NewFile output(*command.trace_file);
  Json events = Json::array();
  const auto add = [&](const std::string& name, const std::string& shape, std::int64_t begin_ns, std::int64_t end_ns) {
    Json& event = events.emplace_back();
    event["name"] = name;
    event["ph"] = "X";
    event["ts"] = static_cast<double>(begin_ns - phases.front().begin_ns) / 1e3;
    event["dur"] = static_cast<double>(end_ns - begin_ns) / 1e3;
    event["pid"] = 1;
    event["tid"] = 1;
    if (!shape.empty()) event["args"]["shape"] = shape;
  };
  events.push_back({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "weft " + loaded.model->info.backend}}}});
  for (const Phase& phase : phases) {
    add(phase.name, {}, phase.begin_ns, phase.end_ns);
    for (const auto& event : phase.events) add(event.kind->name, event.kind->shape, event.begin_ns, event.end_ns);
  }
  const Json trace = {{"displayTimeUnit", "ns"}, {"traceEvents", events}};
  output.stream() << trace.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) << "\n";
  output.commit();
}

}  // namespace

int run(const ProfileCommand& command) {
  Recording recording;
  RunnerOptions options = command.model.runner;
  options.on_operation = [&recording](const Operation& operation) { recording.add(operation); };
  const LoadedModel loaded = load(find_model(command.model), options);
  check_fits(command.prompt_tokens, command.decode_tokens, loaded);
  InterruptPipe interrupts;
  const CancelOnInterrupt cancel(interrupts);

  Runner& runner = *loaded.model->runner;
  const auto sampler = make_sampler(loaded.model->defaults.sampling);
  const std::vector<Token> prompt = random_tokens(command.prompt_tokens, *loaded.model);
  Logits logits;
  const auto forward = [&](Cache& cache, std::span<const Token> tokens) {
    recording.time(kForward, [&] {
      const Step step{cache, tokens};
      runner.forward({&step, 1}, logits);
    });
  };
  const auto decode = [&](Cache& cache, std::size_t n_tokens) {
    for (std::size_t i = 0; i < n_tokens && !cancel.token().stop_requested(); ++i) {
      const Token token = recording.time(kSample, [&] { return sampler->sample(logits.row(0)); });
      sampler->accept(token);
      forward(cache, {&token, 1});
    }
  };
  const auto cache = runner.new_cache();
  forward(*cache, prompt);  // reads the weights from the disk, and makes room
  decode(*cache, 1);
  cache->truncate(0);

  std::vector<Phase> phases;
  phases.push_back(record(recording, "prompt of " + std::to_string(prompt.size()) + " tokens", 1, prompt.size(), [&] { forward(*cache, prompt); }));
  phases.push_back(record(recording, std::to_string(command.decode_tokens) + " tokens after it, each", command.decode_tokens,
                          command.decode_tokens, [&] { decode(*cache, command.decode_tokens); }));
  if (cancel.token().stop_requested()) return kExitInterrupted;
  if (command.trace_file) write_trace(command, loaded, phases);
  write_output(command.json ? to_json(command, loaded, phases) : to_table(command, loaded, phases));
  return kExitOk;
}

}  // namespace weft::apps
