// A loaded model, and what the command line changes about its answers, as pipelines take them.
#pragma once

#include "apps/commands.h"
#include "weft/model.h"
#include "weft/pipeline.h"

namespace weft::apps {

[[nodiscard]] PipelineParts pipeline_parts(const Model& model);

/// What `choice` leaves open is as the model's makers advise.
[[nodiscard]] GenerationOptions answer_options(const AnswerChoice& choice, const GenerationDefaults& defaults);

}  // namespace weft::apps
