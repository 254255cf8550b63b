#include "apps/answer_options.h"

#include <optional>

namespace weft::apps {

PipelineParts pipeline_parts(const Model& model) {
  return {.runner = model.runner,
          .tokenizer = model.tokenizer,
          .chat_template = model.chat_template,
          .stop_tokens = model.defaults.stop_tokens,
          .bos_token = model.defaults.add_bos ? model.defaults.bos_token : std::nullopt};
}

GenerationOptions answer_options(const AnswerChoice& choice, const GenerationDefaults& defaults) {
  const SamplingChoice& chosen = choice.sampling;
  GenerationOptions options;
  options.max_tokens = choice.max_tokens;
  options.stop = choice.stop;
  options.sampling = defaults.sampling;
  options.sampling.temperature = chosen.temperature.value_or(defaults.sampling.temperature);
  options.sampling.top_k = chosen.top_k.value_or(defaults.sampling.top_k);
  options.sampling.top_p = chosen.top_p.value_or(defaults.sampling.top_p);
  options.sampling.min_p = chosen.min_p.value_or(defaults.sampling.min_p);
  options.sampling.repetition_penalty = chosen.repetition_penalty.value_or(defaults.sampling.repetition_penalty);
  options.sampling.seed = chosen.seed;
  return options;
}

}  // namespace weft::apps
