#include "weft/sampler.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <nanobind/trampoline.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings/python/bindings.h"

namespace weft::python {
namespace {

using namespace nb::literals;
using Row = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Sampler, for a class that Python derives from it.
class PythonSampler final : public Sampler {
 public:
  NB_TRAMPOLINE(Sampler);

  Token sample(std::span<const float> logits) override {
    const nb::detail::ticket held(nb_trampoline, "sample", nb::detail::str_hash("sample"), /*pure=*/true);
    // A copy: what Python keeps must not change with the next token.
    const nb::object row = nb::ndarray<nb::numpy, const float, nb::ndim<1>>(logits.data(), {logits.size()}).cast(nb::rv_policy::copy);
    const nb::object answer = nb_trampoline.base().attr(held.key)(row);
    const auto id = nb::steal(PyNumber_Index(answer.ptr()));
    const long long token = id.is_valid() ? PyLong_AsLongLong(id.ptr()) : -1;
    PyErr_Clear();
    if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) {
      refuse("gave " + nb::cast<std::string>(nb::repr(answer)) + ", which is no token id", "Sampler.sample",
             "return an int from 0 to " + std::to_string(logits.size() - 1));
    }
    return static_cast<Token>(token);
  }
  void accept(Token token) override { NB_OVERRIDE_PURE(accept, token); }
  void reset() override { NB_OVERRIDE_PURE(reset); }
};

Token sample(Sampler& sampler, const Row& logits) {
  const std::span<const float> row(logits.data(), logits.shape(0));
  const nb::gil_scoped_release released;
  return sampler.sample(row);
}

SamplingOptions make_options(float temperature, int top_k, float top_p, float min_p, float repetition_penalty, float frequency_penalty,
                             float presence_penalty, int penalty_window, std::vector<std::pair<Token, float>> logit_bias,
                             std::optional<std::uint64_t> seed) {
  SamplingOptions options{.temperature = temperature,
                          .top_k = top_k,
                          .top_p = top_p,
                          .min_p = min_p,
                          .repetition_penalty = repetition_penalty,
                          .frequency_penalty = frequency_penalty,
                          .presence_penalty = presence_penalty,
                          .penalty_window = penalty_window,
                          .seed = seed};
  for (const auto& [token, bias] : logit_bias) options.logit_bias.push_back({token, bias});
  return options;
}

std::vector<std::pair<Token, float>> logit_bias(const SamplingOptions& options) {
  std::vector<std::pair<Token, float>> pairs;
  for (const LogitBias& bias : options.logit_bias) pairs.emplace_back(bias.token, bias.bias);
  return pairs;
}

}  // namespace

void add_sampler(nb::module_& module) {
  nb::class_<SamplingOptions>(module, "SamplingOptions",
                              "How to draw a token. Names and ranges are OpenAI's; the order is Transformers': penalties, bias,\n"
                              "temperature, top-k, top-p, min-p, draw.")
      .def("__init__",
           [](SamplingOptions* self, float temperature, int top_k, float top_p, float min_p, float repetition_penalty,
              float frequency_penalty, float presence_penalty, int penalty_window, std::vector<std::pair<Token, float>> bias,
              std::optional<std::uint64_t> seed) {
             new (self) SamplingOptions(make_options(temperature, top_k, top_p, min_p, repetition_penalty, frequency_penalty,
                                                     presence_penalty, penalty_window, std::move(bias), seed));
           },
           nb::kw_only(), "temperature"_a = 0.0f, "top_k"_a = 0, "top_p"_a = 1.0f, "min_p"_a = 0.0f, "repetition_penalty"_a = 1.0f,
           "frequency_penalty"_a = 0.0f, "presence_penalty"_a = 0.0f, "penalty_window"_a = 0,
           "logit_bias"_a = std::vector<std::pair<Token, float>>(), "seed"_a = nb::none())
      .def_rw("temperature", &SamplingOptions::temperature, ">= 0; 0 is greedy: the largest logit, lowest id on a tie.")
      .def_rw("top_k", &SamplingOptions::top_k, "Keep the k most likely; 0 keeps all.")
      .def_rw("top_p", &SamplingOptions::top_p, "(0, 1]: keep the smallest set with this much probability.")
      .def_rw("min_p", &SamplingOptions::min_p, "[0, 1): drop what is below this share of the likeliest.")
      .def_rw("repetition_penalty", &SamplingOptions::repetition_penalty,
              "> 0; divides positive, multiplies negative logits of seen tokens.")
      .def_rw("frequency_penalty", &SamplingOptions::frequency_penalty, "[-2, 2]; subtracted once for each time a token was seen.")
      .def_rw("presence_penalty", &SamplingOptions::presence_penalty, "[-2, 2]; subtracted once if a token was seen.")
      .def_rw("penalty_window", &SamplingOptions::penalty_window, "How many of the latest tokens count as seen; 0: all.")
      .def_prop_ro("logit_bias", logit_bias, "(token, bias): the logit is raised by bias; -inf bans the token.")
      .def_rw("seed", &SamplingOptions::seed, nb::arg().none(), "None: drawn from the system.");

  nb::class_<Sampler, PythonSampler>(module, "Sampler",
                                     "Logits to one token id. Derive from it, with sample(), accept() and reset(), to draw otherwise.")
      .def(nb::init<>())
      .def("sample", sample, "logits"_a, "Draws one id. `logits` is f32 [vocab], left unchanged; -inf forbids a token.")
      .def("accept", &Sampler::accept, "token"_a, "Tells what was put into the sequence, for the penalties.")
      .def("reset", &Sampler::reset, "Forgets all accepted tokens and starts the random numbers again from the seed.");

  module.def("make_sampler", [](const SamplingOptions& options) { return std::shared_ptr<Sampler>(make_sampler(options)); },
             nb::arg("options").sig("SamplingOptions()") = SamplingOptions(), "The ready-made sampler. Raises weft.Error naming the option out of range.");
}

}  // namespace weft::python
