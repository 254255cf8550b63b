#include "bindings/python/model.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/bindings.h"

namespace weft::python {
namespace {

using namespace nb::literals;
using LogitArray = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

CacheType read_cache_type(const std::optional<std::string>& name) {
  if (!name) return CacheType::kAsExported;
  if (const auto type = parse_cache_type(*name)) return *type;
  refuse("'" + *name + "' is no type of cache", "cache_type", "choose " + std::string(kCacheTypeNames) + ", or None for the file's own");
}

LoadedModel load(const std::filesystem::path& path, int threads, std::size_t max_context, const std::optional<std::string>& cache_type) {
  if (threads < 0) refuse(std::to_string(threads) + " is below 0", "threads", "choose a number of threads, or 0 for one a core");
  const RunnerOptions options{.threads = threads, .max_context = max_context, .cache_type = read_cache_type(cache_type)};
  const nb::gil_scoped_release released;
  LoadedModel loaded{.path = find_model_file(path), .shared = std::make_shared<SharedRunner>(), .model = {}};
  loaded.model = load_model(loaded.path, options);
  loaded.shared->runner = loaded.model->runner;
  return loaded;
}

// Runs `work` without the GIL, and alone.
template <class Work>
auto run_alone(SharedRunner& shared, Work work) {
  const nb::gil_scoped_release released;
  const std::lock_guard lock(shared.mutex);
  return work();
}

OwningCache new_cache(const LoadedModel& self) {
  return {self.shared, run_alone(*self.shared, [&] { return self.shared->runner->new_cache(); })};
}

OwningCache load_cache(const LoadedModel& self, const nb::bytes& bytes) {
  std::istringstream in(std::string(bytes.c_str(), bytes.size()));
  return {self.shared, run_alone(*self.shared, [&] { return self.shared->runner->load_cache(in); })};
}

nb::bytes save(const OwningCache& self) {
  const std::string bytes = run_alone(*self.shared, [&] {
    std::ostringstream out;
    self.cache->save(out);
    return std::move(out).str();
  });
  return nb::bytes(bytes.data(), bytes.size());
}

LogitArray to_array(Logits logits) {
  auto kept = std::make_unique<Logits>(std::move(logits));
  const nb::capsule owner(kept.get(), [](void* pointer) noexcept { delete static_cast<Logits*>(pointer); });
  Logits* made = kept.release();
  return LogitArray(made->rows() == 0 ? nullptr : made->row(0).data(), {made->rows(), made->vocab_size()}, owner);
}

LogitArray forward_batch(const LoadedModel& self, const std::vector<std::pair<OwningCache*, TokenIds>>& sequences, LogitRows rows) {
  std::vector<std::vector<Token>> tokens;
  for (const auto& sequence : sequences) tokens.push_back(sequence.second.read());
  std::vector<Step> steps;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (!sequences[i].first) refuse("has no cache", "steps[" + std::to_string(i) + "]", "a step is (model.new_cache(), tokens)");
    steps.push_back({*sequences[i].first->cache, tokens[i], rows});
  }
  Logits logits;
  run_alone(*self.shared, [&] { self.shared->runner->forward(steps, logits); });
  return to_array(std::move(logits));
}

LogitArray forward(const LoadedModel& self, OwningCache& cache, const TokenIds& ids, LogitRows rows) {
  const std::vector<Token> tokens = ids.read();
  Logits logits;
  run_alone(*self.shared, [&] {
    const Step step{*cache.cache, tokens, rows};
    self.shared->runner->forward({&step, 1}, logits);
  });
  return to_array(std::move(logits));
}

}  // namespace

void add_model(nb::module_& module) {
  nb::enum_<LogitRows>(module, "LogitRows", "Whose logits a step wants.")
      .value("LAST", LogitRows::kLast, "Only those that follow the step's last token: one row.")
      .value("ALL", LogitRows::kAll, "Those that follow each token: as many rows as tokens.");

  nb::class_<ModelInfo>(module, "ModelInfo", "What a model file says about itself.")
      .def_ro("name", &ModelInfo::name)
      .def_ro("architecture", &ModelInfo::architecture)
      .def_ro("quantization", &ModelInfo::quantization)
      .def_ro("dtype", &ModelInfo::dtype)
      .def_ro("backend", &ModelInfo::backend, "\"executorch\" or \"aoti\".")
      .def_ro("exporter", &ModelInfo::exporter)
      .def_ro("max_context", &ModelInfo::max_context)
      .def_ro("vocab_size", &ModelInfo::vocab_size)
      .def_ro("parameters", &ModelInfo::parameters);

  nb::class_<GenerationDefaults>(module, "GenerationDefaults", "What a model's makers advise, and what ends an answer.")
      .def_ro("sampling", &GenerationDefaults::sampling, "temperature 0 unless the file asks to sample.")
      .def_ro("stop_tokens", &GenerationDefaults::stop_tokens, "EOS and its like: any of them ends an answer.")
      .def_ro("bos_token", &GenerationDefaults::bos_token)
      .def_ro("add_bos", &GenerationDefaults::add_bos, "Whether plain text begins with BOS.");

  nb::class_<OwningCache>(module, "Cache", "The state of one sequence: what the model has read so far. Made by Model.new_cache().")
      .def("__len__", [](const OwningCache& self) { return self.cache->size(); })
      .def_prop_ro("capacity", [](const OwningCache& self) { return self.cache->capacity(); }, "The most tokens that it can hold.")
      .def("truncate", [](OwningCache& self, std::size_t n_tokens) { run_alone(*self.shared, [&] { self.cache->truncate(n_tokens); }); },
           "n_tokens"_a, "Goes back to the first `n_tokens` tokens; what follows is as if never read.")
      .def("fork", [](const OwningCache& self) {
             return OwningCache{self.shared, run_alone(*self.shared, [&] { return self.cache->fork(); })};
           }, "An independent copy.")
      .def("save", save, "The state, for Model.load_cache() of the same model file.");

  nb::class_<LoadedModel>(module, "Model", "One loaded model file: its weights, tokenizer, chat template and defaults.")
      .def("__init__",
           [](LoadedModel* self, const std::filesystem::path& path, int threads, std::size_t max_context,
              const std::optional<std::string>& cache_type) { new (self) LoadedModel(load(path, threads, max_context, cache_type)); },
           "path"_a, nb::kw_only(), "threads"_a = 0, "max_context"_a = 0, "cache_type"_a = nb::none())
      .def_prop_ro("path", [](const LoadedModel& self) { return self.path; })
      .def_prop_ro("info", [](const LoadedModel& self) -> const ModelInfo& { return self.model->info; }, nb::rv_policy::copy)
      .def_prop_ro("tokenizer", [](const LoadedModel& self) { return self.model->tokenizer; })
      .def_prop_ro("chat_template", [](const LoadedModel& self) { return self.model->chat_template; }, "None for a model that doesn't chat.")
      .def_prop_ro("defaults", [](const LoadedModel& self) -> const GenerationDefaults& { return self.model->defaults; }, nb::rv_policy::copy)
      .def_prop_ro("vocab_size", [](const LoadedModel& self) { return self.shared->runner->vocab_size(); }, "Columns of the logits.")
      .def_prop_ro("max_context", [](const LoadedModel& self) { return self.shared->runner->max_context(); },
                   "The most tokens of one sequence.")
      .def("new_cache", new_cache, "An empty cache.")
      .def("load_cache", load_cache, "bytes"_a, "What Cache.save() gave.")
      .def("forward", forward, "cache"_a, "tokens"_a, nb::kw_only(), "rows"_a = LogitRows::kLast,
           "Advances one sequence by its tokens. f32 [1 or tokens, vocab_size], not normalised.")
      .def("forward_batch", forward_batch, "steps"_a, nb::kw_only(), "rows"_a = LogitRows::kLast,
           "Advances several sequences, each (cache, tokens), by their own tokens at once: the first one's rows come first.");
}

}  // namespace weft::python
