#include "src/program/runner_checks.h"

#include <algorithm>
#include <vector>

#include "weft/error.h"

namespace weft {

std::size_t check_steps(std::span<const Step> steps, std::size_t vocab_size, const std::string& name,
                        const std::function<bool(const Cache&)>& owns) {
  const std::string where = "runner '" + name + "'";
  if (steps.empty()) throw Error(ErrorCode::kInvalidArgument, "forward() was given no steps", where);
  std::vector<const Cache*> caches;
  std::size_t rows = 0;
  for (const Step& step : steps) {
    if (step.tokens.empty()) throw Error(ErrorCode::kInvalidArgument, "a step has no tokens", where);
    if (!owns(step.cache)) {
      throw Error(ErrorCode::kInvalidArgument, "a step's cache was made by another runner", where,
                  "use a cache from this runner's new_cache() or load_cache()");
    }
    caches.push_back(&step.cache);
    for (const Token token : step.tokens) {
      if (token < 0 || static_cast<std::size_t>(token) >= vocab_size) {
        throw Error(ErrorCode::kInvalidArgument,
                    "token " + std::to_string(token) + " is outside of the vocabulary of " + std::to_string(vocab_size), where,
                    "use the tokenizer of this very model");
      }
    }
    if (step.tokens.size() > step.cache.capacity() - step.cache.size()) {
      throw Error(ErrorCode::kContextFull,
                  std::to_string(step.cache.size() + step.tokens.size()) + " tokens, but its cache holds " +
                      std::to_string(step.cache.capacity()),
                  where, "shorten the prompt, or export the model with a larger --max-context");
    }
    rows += step.rows == LogitRows::kAll ? step.tokens.size() : 1;
  }
  std::sort(caches.begin(), caches.end());
  if (std::adjacent_find(caches.begin(), caches.end()) != caches.end()) {
    throw Error(ErrorCode::kInvalidArgument, "two steps share a cache", where, "put their tokens into one step");
  }
  return rows;
}

void check_output(const ProgramOutput& output, std::size_t rows, std::size_t vocab_size, const std::string& name) {
  const auto& sizes = output.sizes;
  std::size_t leading = 1;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) leading *= static_cast<std::size_t>(sizes[i]);
  if (sizes.size() < 2 || leading != rows || static_cast<std::size_t>(sizes.back()) != vocab_size) {
    std::string shape;
    for (const std::int64_t size : sizes) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
    throw Error(ErrorCode::kBackend,
                "the program gave logits of shape [" + shape + "], not [" + std::to_string(rows) + ", " +
                    std::to_string(vocab_size) + "]",
                "runner '" + name + "'", "its metadata and its program differ; export the model again");
  }
}

void check_truncate(std::size_t n, std::size_t size) {
  if (n > size) {
    throw Error(ErrorCode::kInvalidArgument, "truncate(" + std::to_string(n) + ") of a cache that holds " + std::to_string(size),
                "cache");
  }
}

std::size_t choose_context(const ProgramInfo& info, const RunnerOptions& options) {
  return options.max_context == 0 ? info.max_context : std::min(options.max_context, info.max_context);
}

std::unique_ptr<Runner> make_runner(ProgramLoader load, ProgramInfo info, const RunnerOptions& options, std::string name) {
  if (info.contract != Contract::kRagged && options.cache_type != CacheType::kAsExported) {
    throw Error(ErrorCode::kUnsupported, "the program keeps its caches in the graph, of a type that can't be chosen", "runner '" + name + "'",
                "leave the type of cache to the file");
  }
  if (options.on_operation) load = observed(std::move(load), options.on_operation);
  return info.contract == Contract::kRagged
             ? make_ragged_runner(load, std::move(info), options, std::move(name))
             : make_in_graph_runner(std::move(load), std::move(info), options, std::move(name));
}

}  // namespace weft
