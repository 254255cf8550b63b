#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apps/answer_options.h"
#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/measurements.h"
#include "apps/output.h"
#include "apps/text_input.h"
#include "weft/error.h"
#include "weft/pipeline.h"

namespace weft::apps {
namespace {

std::string read_prompt(const GenerateCommand& command) {
  const std::string where = command.prompt ? "-p" : command.prompt_file ? command.prompt_file->string() : "standard input";
  std::string prompt = command.prompt        ? *command.prompt
                       : command.prompt_file ? read_text(*command.prompt_file)
                                             : read_standard_input();
  if (prompt.empty()) throw UsageError(where + ": the prompt is empty\nfix: give it some text");
  check_utf8(prompt, where);
  return prompt;
}

GenerationResult generate(const GenerateCommand& command, const LoadedModel& loaded, const std::string& prompt,
                          const TextCallback& on_text) {
  InterruptPipe interrupts;
  const CancelOnInterrupt cancel(interrupts);
  GenerationOptions options = answer_options(command.answer, loaded.model->defaults);
  options.cancel = cancel.token();
  if (command.raw) return CompletionPipeline(pipeline_parts(*loaded.model)).generate(prompt, options, on_text);
  if (!loaded.model->chat_template) {
    throw Error(ErrorCode::kUnsupported, "has no chat template", loaded.file.string(),
                "complete plain text with --raw, or put the model's chat_template.jinja beside it");
  }
  return ChatPipeline(pipeline_parts(*loaded.model)).send(prompt, options, on_text);
}

std::string to_json(const LoadedModel& loaded, const GenerationResult& result) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["token_ids"] = result.tokens;
  json["prompt_token_ids"] = result.prompt_tokens;
  json["finish_reason"] = to_string(result.finish_reason);
  json["load_ms"] = rounded(loaded.load_ms);
  json["ttft_ms"] = rounded(result.stats.first_token_s * 1e3);
  json["prefill_tok_s"] = rounded(result.stats.prefill_tokens_per_s());
  json["decode_tok_s"] = rounded(result.stats.decode_tokens_per_s());
  json["peak_rss_mb"] = rounded(peak_rss_mb());
  json["backend"] = loaded.model->info.backend;
  json["model"] = loaded.file.string();
  // A path may be no UTF-8.
  return json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

int run(const GenerateCommand& command) {
  const std::string prompt = read_prompt(command);
  const LoadedModel loaded = load(command.model);
  GenerationResult result;
  if (command.json) {
    result = generate(command, loaded, prompt, {});
    write_output(to_json(loaded, result));
  } else {
    result = generate(command, loaded, prompt, write_output);
    // A terminal's next prompt begins on a line of its own; a file gets the text alone.
    if (::isatty(STDOUT_FILENO)) write_output("\n");
    char rest[96];
    std::snprintf(rest, sizeof rest, ", load %.0f ms, peak memory %.0f MB", loaded.load_ms, peak_rss_mb());
    write_note("weft: " + describe(result.stats) + rest);
  }
  return result.finish_reason == FinishReason::kCancelled ? kExitInterrupted : kExitOk;
}

}  // namespace weft::apps
