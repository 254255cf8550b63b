#include "apps/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "apps/output.h"

namespace weft::apps {
namespace {

constexpr std::size_t kNameColumn = 24;
// CLI11 takes no option by the name "-".
constexpr const char* kStdin = "STDIN";
constexpr const char* kModelHelp = "A .pte or .pt2 file, a folder with one, or a name";

struct HelpText {
  std::string usage, example;
};

// "  -p, --prompt TEXT     The prompt"
std::string help_row(const std::string& name, const std::string& description) {
  std::string row(2, ' ');
  row.append(name).append(2, ' ').resize(std::max(kNameColumn, row.size()), ' ');
  return row.append(description).append("\n");
}

std::string option_name(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true) == kStdin ? "-" : option.get_name(true);
  std::string name = option.get_name(false, true);
  if (const auto comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
  if (option.get_items_expected_max() > 0 && !option.get_type_name().empty()) name += " " + option.get_type_name();
  return name;
}

std::string make_help(const CLI::App& app, const HelpText& text) {
  std::string help = "Example: " + text.example + "\n\n" + app.get_description() + "\n\nUsage: " + text.usage + "\n";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) help += help_row(option_name(*option), option->get_description());
  }
  if (!app.get_footer().empty()) help += "\n" + app.get_footer() + "\n";
  return help;
}

void set_help(CLI::App& app, HelpText text) {
  app.set_help_flag("-h,--help", "Show this help");
  app.formatter(std::make_shared<CLI::FormatterLambda>(
      [text = std::move(text)](const CLI::App* shown, std::string, CLI::AppFormatMode) { return make_help(*shown, text); }));
}

// CLI11's own ranges let "nan" through and don't know open ends.
CLI::Validator number_that(std::function<bool(double)> holds, std::string expected) {
  return CLI::Validator(
      [holds = std::move(holds), expected = std::move(expected)](const std::string& text) -> std::string {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && std::isfinite(static_cast<float>(value)) &&
            holds(value)) {
          return {};
        }
        return "'" + text + "' is not " + expected;
      },
      "");
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return CLI::Validator(
      [least, most](const std::string& text) -> std::string {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) return {};
        return "'" + text + "' is not a whole number from " + std::to_string(least) + " to " + std::to_string(most);
      },
      "");
}

constexpr std::uint64_t kMaxThreads = 1024;
constexpr std::uint64_t kMaxTokens = 1u << 24;
constexpr std::uint64_t kMaxRepeat = 1000;
constexpr std::uint64_t kMaxSequences = 1024;

void add_model(CLI::App& app, ModelChoice& model) { app.add_option("MODEL", model.model, kModelHelp); }

void add_backend(CLI::App& app, ModelChoice& model) {
  app.add_option("--backend", model.backend, "executorch or aoti: which export of a named model")
      ->type_name("NAME")
      ->check(CLI::Validator(
          [](const std::string& name) -> std::string {
            if (name == "executorch" || name == "aoti") return {};
            return "'" + name + "' is neither executorch nor aoti";
          },
          ""));
}

void add_runner(CLI::App& app, ModelChoice& model) {
  app.add_option("--threads", model.runner.threads, "Threads that compute; default: one a core")
      ->type_name("N")
      ->check(whole_number(1, kMaxThreads));
  app.add_flag("--float-activations", model.runner.float_activations, "Exact: round neither linears' inputs nor the cache");
  app.add_option("--cache-type", model.runner.cache_type, "Keep the cache as " + std::string(kCacheTypeNames))
      ->type_name("TYPE")
      ->transform(CLI::Validator(
          [](std::string& name) -> std::string {
            const auto found = parse_cache_type(name);
            if (!found) return "'" + name + "' is not " + std::string(kCacheTypeNames);
            name = std::to_string(static_cast<int>(*found));
            return {};
          },
          ""));
}

void add_answer(CLI::App& app, AnswerChoice& answer) {
  SamplingChoice& sampling = answer.sampling;
  app.add_option("--max-tokens", answer.max_tokens, "End the answer after N tokens")
      ->type_name("N")
      ->check(whole_number(1, kMaxTokens));
  app.add_option("--temperature", sampling.temperature, "0: always the likeliest token; 1: as the model says")
      ->type_name("T")
      ->check(number_that([](double t) { return t >= 0; }, "a number of at least 0"));
  app.add_option("--top-k", sampling.top_k, "Draw from the K likeliest tokens; 0: from all")
      ->type_name("K")
      ->check(whole_number(0, 1u << 30));
  app.add_option("--top-p", sampling.top_p, "Draw from the likeliest that sum to probability P")
      ->type_name("P")
      ->check(number_that([](double p) { return p > 0 && p <= 1; }, "a number above 0, at most 1"));
  app.add_option("--min-p", sampling.min_p, "Drop what is less likely than P times the likeliest")
      ->type_name("P")
      ->check(number_that([](double p) { return p >= 0 && p < 1; }, "a number from 0 to below 1"));
  app.add_option("--repeat-penalty", sampling.repetition_penalty, "Above 1: against repetition")
      ->type_name("R")
      ->check(number_that([](double r) { return r > 0; }, "a number above 0"));
  app.add_option("--seed", sampling.seed, "The same seed draws the same tokens")
      ->type_name("N")
      ->check(whole_number(0, UINT64_MAX));
  app.add_option("--stop", answer.stop, "End the answer before this text; may be repeated")
      ->type_name("TEXT")
      ->allow_extra_args(false);  // else CLI11 reads "[END]" as a list
}

class Parser {
 public:
  Parser() : app_("Runs language models exported from PyTorch, .pte and .pt2.") {
    set_help(app_, {"weft COMMAND [MODEL] [OPTIONS]", "weft chat"});
    app_.set_version_flag("--version", "weft " WEFT_VERSION, "Show the version");
    // Counted from the shown ones, so that no argument at all gives help instead of a terse error.
    app_.require_subcommand(0, 1);
    add_chat();
    add_generate();
    add_export();
    add_inspect();
    add_tokenize();
    add_bench();
    add_profile();
    add_eval();
    add_logits();
    app_.footer(footer());
  }

  std::optional<Command> parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForVersion& version) {
      write_output(std::string(version.what()) + "\n");
      return std::nullopt;
    } catch (const CLI::CallForHelp&) {
      write_output(shown_app().help());
      return std::nullopt;
    } catch (const CLI::ParseError& error) {
      throw UsageError(std::string(error.what()) + "\nfix: see " + shown_name() + " --help");
    }
    if (app_.get_subcommands().empty()) throw UsageError("a command is missing\n\n" + app_.help());
    try {
      return commands_.at(app_.get_subcommands().front())();
    } catch (const UsageError& error) {
      throw UsageError(std::string(error.what()) + "\nfix: see " + shown_name() + " --help");
    }
  }

 private:
  CLI::App& add(const std::string& name, const std::string& description, HelpText text,
                std::function<Command()> finish) {
    CLI::App* app = app_.add_subcommand(name, description);
    set_help(*app, std::move(text));
    commands_[app] = std::move(finish);
    return *app;
  }

  const CLI::App& shown_app() const {
    return app_.get_subcommands().empty() ? app_ : *app_.get_subcommands().front();
  }

  std::string shown_name() const {
    return app_.get_subcommands().empty() ? "weft" : "weft " + app_.get_subcommands().front()->get_name();
  }

  std::string footer() const {
    std::string text = "Commands (weft COMMAND --help tells more):\n";
    for (const CLI::App* app : app_.get_subcommands([](const CLI::App*) { return true; })) {
      const std::string& description = app->get_description();
      text += help_row(app->get_name(), description.substr(0, description.find_first_of(".:")));
    }
    return text +
           "\nWithout MODEL: SmolLM2-135M-Instruct, exported once into the cache folder.\n"
           "Environment: WEFT_CACHE (cache folder), WEFT_PLUGIN_PATH (folder of the\n"
           "backends), WEFT_PYTHON (the Python that exports).\n"
           "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 nobody reads.";
  }

  void add_chat() {
    CLI::App& app = add("chat", "Talks with a model: /help lists what can be typed, Ctrl-C stops an answer.",
                        {"weft chat [MODEL] [OPTIONS]", "weft chat model.pte"}, [this] {
                          check_stop(chat_.answer);
                          return chat_;
                        });
    add_model(app, chat_.model);
    add_answer(app, chat_.answer);
    add_runner(app, chat_.model);
    add_backend(app, chat_.model);
  }

  void add_generate() {
    CLI::App& app = add("generate", "Answers one prompt: the text on stdout, statistics on stderr.",
                        {"weft generate [MODEL] -p TEXT | -f FILE | -   [OPTIONS]",
                         "weft generate model.pte -p \"Why is the sky blue?\""},
                        [this] { return finish_generate(); });
    add_model(app, generate_.model);
    app.add_option(kStdin, dash_, "The prompt is standard input");
    app.add_option("-p,--prompt", generate_.prompt, "The prompt")->type_name("TEXT");
    app.add_option("-f,--file", generate_.prompt_file, "The prompt is this file's text")->type_name("FILE");
    app.add_flag("--raw", generate_.raw, "Complete the text as it is, without chat template");
    add_answer(app, generate_.answer);
    add_runner(app, generate_.model);
    add_backend(app, generate_.model);
    app.add_flag("--json", generate_.json, "One JSON object on stdout: text, token ids, times");
  }

  Command finish_generate() {
    for (std::string* argument : {&generate_.model.model, &dash_}) {
      if (*argument != "-") continue;
      if (generate_.prompt_from_stdin) throw UsageError("- is given twice");
      generate_.prompt_from_stdin = true;
      argument->clear();
    }
    if (!dash_.empty() && generate_.model.model.empty()) std::swap(generate_.model.model, dash_);
    if (!dash_.empty()) throw UsageError("unexpected argument '" + dash_ + "': a prompt goes after -p");
    const int prompts = generate_.prompt.has_value() + generate_.prompt_file.has_value() + generate_.prompt_from_stdin;
    if (prompts == 0) throw UsageError("there is no prompt: give -p TEXT, -f FILE, or - for standard input");
    if (prompts > 1) throw UsageError("more than one prompt: give one of -p TEXT, -f FILE, and -");
    check_stop(generate_.answer);
    return generate_;
  }

  static void check_stop(const AnswerChoice& answer) {
    for (const std::string& stop : answer.stop) {
      if (stop.empty()) throw UsageError("--stop is empty: it would end every answer before it begins");
    }
  }

  void add_export() {
    CLI::App& app = add("export", "Makes a model file from a checkpoint.",
                        {"weft export SOURCE -o OUT.pte|OUT.pt2 [OPTIONS]", "weft export model.gguf -o model.pte"},
                        [this]() -> Command {
                          if (export_app_->remaining().empty()) throw UsageError("there is no SOURCE");
                          return ExportCommand{export_app_->remaining()};
                        });
    export_app_ = &app;
    // Python reads the arguments: here they are only listed.
    app.prefix_command();
    app.footer("  SOURCE                A checkpoint folder, a hub id, or a .gguf file\n"
               "  -o OUT                The file to write; its ending picks the backend\n"
               "  --quantize SCHEME     Store the weights in fewer bits\n"
               "  --max-context N       Tokens that a sequence may have\n"
               "  --dtype TYPE          Of weights and computation: float32, ...\n"
               "  --name NAME           The model's name in its metadata\n"
               "  --no-passes           Leave the graph as it is: slower, same tokens\n"
               "  --no-check            Don't hold the file against the checkpoint\n"
               "\nThe whole list: weft export SOURCE --help. Runs python -m weft.export.");
  }

  void add_inspect() {
    CLI::App& app = add("inspect", "Shows what is inside a model file.",
                        {"weft inspect [MODEL]", "weft inspect model.pte"}, [this] { return inspect_; });
    add_model(app, inspect_.model);
    add_backend(app, inspect_.model);
  }

  void add_tokenize() {
    CLI::App& app = add("tokenize", "Shows the pieces and ids of a text. No BOS or EOS is added.",
                        {"weft tokenize FILE|MODEL [TEXT] [OPTIONS]", "weft tokenize tokenizer.json \"Hello, world\""},
                        [this] { return finish_tokenize(); });
    app.add_option("FILE", tokenize_.source, "A tokenizer.json, or a model: a file, a folder, a name")->required();
    app.add_option("TEXT", tokenize_.text, "The text; without it, or with -, standard input");
    app.add_flag("--count", tokenize_.count, "Show only how many tokens there are");
    app.add_flag("--jsonl", tokenize_.jsonl, "Read one JSON string a line, write one array of ids");
    app.add_flag("--decode", tokenize_.decode, "With --jsonl: read arrays of ids, write JSON strings");
    app.add_option("--compile", tokenize_.compiled_file, "Write the tokenizer as a file that loads in milliseconds")
        ->type_name("OUT");
    app.add_option("--encoding", tokenize_.encoding, "A tiktoken file's, if its name doesn't tell it")
        ->type_name("NAME");
    app.add_option("--specials", specials_, "What <|im_end|> in a text is: text (default) or tokens")
        ->type_name("AS")
        ->check(CLI::Validator(
            [](const std::string& name) -> std::string {
              if (name == "text" || name == "tokens") return {};
              return "'" + name + "' is neither text nor tokens";
            },
            ""));
    app.footer("With --decode, --specials tokens spells control tokens out.");
  }

  Command finish_tokenize() {
    if (specials_ == "tokens") tokenize_.specials = Specials::kAsTokens;
    if (tokenize_.text && *tokenize_.text == "-") tokenize_.text.reset();
    if (tokenize_.decode && !tokenize_.jsonl) throw UsageError("--decode goes with --jsonl");
    if (tokenize_.jsonl && tokenize_.text) throw UsageError("--jsonl reads standard input: leave TEXT out");
    if (!tokenize_.compiled_file.empty() && (tokenize_.text || tokenize_.jsonl || tokenize_.count)) {
      throw UsageError("--compile reads no text: leave TEXT, --jsonl and --count out");
    }
    if (tokenize_.jsonl && tokenize_.count) throw UsageError("--count and --jsonl exclude each other");
    return tokenize_;
  }

  void add_bench() {
    CLI::App& app = add("bench", "Measures speed and memory: medians and their spread, after one warm-up run.",
                        {"weft bench [MODEL] [OPTIONS]", "weft bench model.pte --prompt 512 --decode 64"},
                        [this] { return bench_; });
    add_model(app, bench_.model);
    app.add_option("--prompt", bench_.prompt_tokens, "Tokens of the prompt; default 512")
        ->type_name("N")
        ->check(whole_number(1, kMaxTokens));
    app.add_option("--decode", bench_.decode_tokens, "Tokens to generate; default 64")
        ->type_name("N")
        ->check(whole_number(2, kMaxTokens));
    app.add_option("--repeat", bench_.repeat, "How often to measure; default 5")
        ->type_name("R")
        ->check(whole_number(1, kMaxRepeat));
    app.add_option("--sequences", bench_.sequences, "Decode N conversations at once, too; default 1")
        ->type_name("N")
        ->check(whole_number(1, kMaxSequences));
    add_runner(app, bench_.model);
    add_backend(app, bench_.model);
    app.add_flag("--json", bench_.json, "One JSON object on stdout: medians, and all runs");
  }

  void add_profile() {
    CLI::App& app = add("profile", "Shows where the time goes: of a prompt and of a token, by operation.",
                        {"weft profile [MODEL] [OPTIONS]", "weft profile model.pte --trace trace.json"}, [this] { return profile_; });
    add_model(app, profile_.model);
    app.add_option("--prompt", profile_.prompt_tokens, "Tokens of the prompt; default 512")
        ->type_name("N")
        ->check(whole_number(1, kMaxTokens));
    app.add_option("--decode", profile_.decode_tokens, "Tokens to generate; default 32")
        ->type_name("N")
        ->check(whole_number(1, kMaxTokens));
    app.add_option("--trace", profile_.trace_file, "Write every operation, for ui.perfetto.dev")->type_name("FILE");
    add_runner(app, profile_.model);
    add_backend(app, profile_.model);
    app.add_flag("--json", profile_.json, "One JSON object on stdout");
    app.footer("An operation's time is what it took without those within it. Listening costs a\n"
               "little: `weft bench` tells the speed. GB/s counts the weights that were read.");
  }

  void add_eval() {
    CLI::App& app = add("eval", "Measures how well a model predicts a text: its perplexity.",
                        {"weft eval [MODEL] --text FILE [OPTIONS]", "weft eval model.pte --text wiki.txt"},
                        [this] { return eval_; });
    add_model(app, eval_.model);
    app.add_option("--text", eval_.text_file, "The text, UTF-8")->type_name("FILE")->required();
    app.add_option("--context", eval_.context, "Tokens of a window; default 1024, or what the model has")
        ->type_name("N")
        ->check(whole_number(2, kMaxTokens));
    app.add_option("--stride", eval_.stride, "Tokens from window to window; default half the context")
        ->type_name("N")
        ->check(whole_number(1, kMaxTokens));
    app.add_option("--max-tokens", eval_.max_tokens, "Read only the first N tokens of the text")
        ->type_name("N")
        ->check(whole_number(2, kMaxTokens));
    add_runner(app, eval_.model);
    add_backend(app, eval_.model);
    app.add_flag("--json", eval_.json, "One JSON object on stdout");
    app.footer("Every window begins with an empty cache; each token but the first is scored\n"
               "once, in the first window that holds it. BOS is added where the model wants it.");
  }

  void add_logits() {
    CLI::App& app = add("logits", "Writes the logits after each token: raw little-endian f32 [tokens, vocab].",
                        {"weft logits MODEL --tokens FILE -o FILE", "weft logits model.pte --tokens ids.json -o logits.f32"},
                        [this] { return logits_; });
    add_model(app, logits_.model);
    app.get_option("MODEL")->required();
    app.add_option("--tokens", logits_.tokens_file, "A JSON array of ids, or of arrays fed one by one")
        ->type_name("FILE")
        ->required();
    app.add_option("-o,--output", logits_.output_file, "The file to write")->type_name("FILE")->required();
    add_runner(app, logits_.model);
    add_backend(app, logits_.model);
  }

  CLI::App app_;
  std::map<const CLI::App*, std::function<Command()>> commands_;
  CLI::App* export_app_ = nullptr;
  ChatCommand chat_;
  GenerateCommand generate_;
  InspectCommand inspect_;
  TokenizeCommand tokenize_;
  BenchCommand bench_;
  ProfileCommand profile_;
  LogitsCommand logits_;
  EvalCommand eval_;
  std::string dash_, specials_;
};

}  // namespace

std::optional<Command> parse_arguments(int argc, const char* const* argv) { return Parser().parse(argc, argv); }

}  // namespace weft::apps
