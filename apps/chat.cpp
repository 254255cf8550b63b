#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "apps/answer_options.h"
#include "apps/cache_folder.h"
#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/line_editor.h"
#include "apps/measurements.h"
#include "apps/new_file.h"
#include "apps/output.h"
#include "apps/text_input.h"
#include "weft/error.h"
#include "weft/pipeline.h"

namespace weft::apps {
namespace {

constexpr std::string_view kHelp =
    "/system TEXT  set the system message (none: remove it) and start anew\n"
    "/reset        forget the conversation, keep the system message\n"
    "/save FILE    write the conversation to a file\n"
    "/load FILE    go on with a saved conversation\n"
    "/stats        times, speed and memory of the last answer\n"
    "/help         this list\n"
    "//text        send a message that begins with /\n"
    "Ctrl-C stops an answer. Ctrl-D, or Ctrl-C on an empty line, leaves.";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

class Conversation {
 public:
  Conversation(const LoadedModel& loaded, const AnswerChoice& answer, InterruptPipe& interrupts)
      : loaded_(loaded),
        interrupts_(interrupts),
        chat_(pipeline_parts(*loaded.model)),
        options_(answer_options(answer, loaded.model->defaults)) {}

  /// A message or a /command. @throws UsageError, Error, OutputClosed.
  void handle(std::string_view line) {
    if (!line.starts_with('/') || line.starts_with("//")) {
      send(line.starts_with("//") ? line.substr(1) : line);
      return;
    }
    const std::size_t space = line.find_first_of(" \t");
    const std::string_view name = line.substr(1, space == std::string_view::npos ? space : space - 1);
    const std::string_view rest = space == std::string_view::npos ? std::string_view() : trimmed(line.substr(space));
    for (const SlashCommand& command : kCommands) {
      if (command.name != name) continue;
      if (command.needs_file && rest.empty()) throw UsageError("/" + std::string(name) + " needs the name of a file");
      (this->*command.action)(rest);
      return;
    }
    throw UsageError("there is no command /" + std::string(name) +
                     "\nfix: /help lists the commands; //" + std::string(name) + " sends it as a message");
  }

 private:
  struct SlashCommand {
    std::string_view name;
    void (Conversation::*action)(std::string_view rest);
    bool needs_file = false;
  };
  static const std::array<SlashCommand, 6> kCommands;

  void send(std::string_view message) {
    check_utf8(message, "the message");
    const CancelOnInterrupt cancel(interrupts_);
    options_.cancel = cancel.token();
    bool at_line_start = true;
    const GenerationResult result = chat_.send(message, options_, [&](std::string_view text) {
      at_line_start = text.ends_with('\n');
      write_output(text);
    });
    stats_ = describe(result.stats);
    context_tokens_ = result.prompt_tokens.size() + result.tokens.size();
    if (!at_line_start || result.text.empty()) write_output("\n");
    if (result.finish_reason == FinishReason::kLength && options_.max_tokens == 0) {
      write_note("weft: the context of " + std::to_string(loaded_.model->runner->max_context()) +
                 " tokens is full\nfix: /reset, or export the model with a larger --max-context");
    }
  }

  void help(std::string_view) { write_note(kHelp); }

  void reset(std::string_view) {
    chat_.reset();
    context_tokens_ = 0;
    write_note("The conversation starts anew.");
  }

  void set_system(std::string_view text) {
    check_utf8(text, "/system");
    chat_.set_system(text);
    context_tokens_ = 0;
    write_note(text.empty() ? "The system message is gone; the conversation starts anew."
                            : "The system message is set; the conversation starts anew.");
  }

  void save(std::string_view name) {
    NewFile file{std::string(name)};
    chat_.save(file.stream());
    file.commit();
    write_note("Saved to " + std::string(name) + ".");
  }

  void load(std::string_view name) {
    errno = 0;
    std::ifstream file(std::string(name), std::ios::binary);
    if (!file) {
      throw Error(ErrorCode::kIo, "can't be read: " + std::generic_category().message(errno), std::string(name),
                  "give a file that /save wrote");
    }
    chat_.load(file);
    context_tokens_ = 0;
    write_note("Loaded " + std::to_string(chat_.messages().size()) + " messages from " + std::string(name) + ".");
  }

  void show_stats(std::string_view) {
    write_note(stats_.empty() ? "There was no answer yet." : stats_);
    write_note(std::to_string(chat_.messages().size()) + " messages, " + std::to_string(context_tokens_) + " of " +
               std::to_string(loaded_.model->runner->max_context()) + " tokens; load " +
               std::to_string(static_cast<long>(loaded_.load_ms)) + " ms, peak memory " +
               std::to_string(static_cast<long>(peak_rss_mb())) + " MB");
  }

  const LoadedModel& loaded_;
  InterruptPipe& interrupts_;
  ChatPipeline chat_;
  GenerationOptions options_;
  std::string stats_;
  std::size_t context_tokens_ = 0;  // as of the last answer
};

constexpr std::array<Conversation::SlashCommand, 6> Conversation::kCommands = {{
    {"help", &Conversation::help},
    {"reset", &Conversation::reset},
    {"system", &Conversation::set_system},
    {"save", &Conversation::save, true},
    {"load", &Conversation::load, true},
    {"stats", &Conversation::show_stats},
}};

// Without a place for it, there is no history: no reason not to chat.
std::filesystem::path history_file() {
  try {
    const std::filesystem::path folder = cache_folder();
    make_cache_folder(folder);
    return folder / "history";
  } catch (const Error& error) {
    write_note("weft: no history is kept: " + std::string(error.what()));
    return {};
  }
}

}  // namespace

int run(const ChatCommand& command) {
  const LoadedModel loaded = load(command.model);
  if (!loaded.model->chat_template) {
    throw Error(ErrorCode::kUnsupported, "has no chat template", loaded.file.string(),
                "put the model's chat_template.jinja beside it, or complete plain text: weft generate --raw");
  }
  InterruptPipe interrupts;
  Conversation conversation(loaded, command.answer, interrupts);
  const bool has_history = ::isatty(STDIN_FILENO) != 0;
  const auto editor = make_line_editor(has_history ? history_file() : std::filesystem::path(), interrupts);
  if (editor->interactive()) {
    write_note(loaded.model->info.name + " on " + loaded.model->info.backend + ". /help lists the commands, Ctrl-D leaves.");
  }
  std::string line;
  for (;;) {
    const LineResult result = editor->read(line);
    if (result == LineResult::kEnd) return kExitOk;
    if (result == LineResult::kCleared || trimmed(line).empty()) continue;
    try {
      conversation.handle(trimmed(line));
    } catch (const UsageError& error) {
      // A person sees it and goes on; a script must not go on blindly.
      if (!editor->interactive()) throw;
      write_note("weft: " + std::string(error.what()));
    } catch (const Error& error) {
      if (!editor->interactive()) throw;
      write_note("weft: " + std::string(error.what()));
    }
  }
}

}  // namespace weft::apps
