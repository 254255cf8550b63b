#include "apps/run_one.h"

#include <charconv>
#include <csignal>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "apps/answer_options.h"
#include "apps/commands.h"
#include "apps/measurements.h"
#include "apps/output.h"
#include "apps/text_input.h"
#include "weft/error.h"
#include "weft/model.h"
#include "weft/pipeline.h"

namespace weft::apps {
namespace {

std::optional<std::size_t> parse_count(std::string_view text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count == 0) return std::nullopt;
  return count;
}

GenerationStats answer(const Model& model, std::string_view prompt, std::size_t max_tokens) {
  GenerationOptions options = answer_options({}, model.defaults);
  options.max_tokens = max_tokens;
  const PipelineParts parts = pipeline_parts(model);
  if (parts.chat_template) return ChatPipeline(parts).send(prompt, options, write_output).stats;
  return CompletionPipeline(parts).generate(prompt, options, write_output).stats;
}

int run_checked(int argc, char** argv, const Backend& backend) {
  const std::string program = argc > 0 ? argv[0] : "run";
  const std::string usage = "usage: " + program + " MODEL PROMPT [MAX_TOKENS]";
  if (argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0)) {
    write_output("Example: " + program + " model.pt" + (backend.name() == "aoti" ? "2" : "e") +
                 " \"Why is the sky blue?\"\n\n" + usage + "\n");
    return kExitOk;
  }
  if (argc < 3 || argc > 4) throw UsageError(usage);
  const auto max_tokens = argc == 4 ? parse_count(argv[3]) : 0;
  if (!max_tokens) throw UsageError("MAX_TOKENS '" + std::string(argv[3]) + "' is no number of at least 1\n" + usage);
  check_utf8(argv[2], "PROMPT");
  const auto model = load_model(argv[1], backend);
  const GenerationStats stats = answer(*model, argv[2], *max_tokens);
  write_output("\n");
  write_note(describe(stats));
  return kExitOk;
}

}  // namespace

int run_one(int argc, char** argv, const Backend& backend) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of write() instead
  try {
    return run_checked(argc, argv, backend);
  } catch (const UsageError& error) {
    write_note(error.what());
    return kExitUsage;
  } catch (const OutputClosed&) {
    return kExitOutputClosed;
  } catch (const std::exception& error) {
    write_note(error.what());
    return kExitFailed;
  }
}

}  // namespace weft::apps
