// What each subcommand of `weft` does: its arguments, already parsed and in range, and its run().
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "weft/backend.h"
#include "weft/token.h"

namespace weft::apps {

// Documented in `weft --help`.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitInterrupted = 130,  // as shells report a program that Ctrl-C ended
  kExitOutputClosed = 141, // as shells report a program whose reader went away
};

/// The command line, or a prompt given by it, can't be used: exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Which model, and how it computes.
struct ModelChoice {
  std::string model;    ///< A file, a folder, a name; empty: the default model.
  std::string backend;  ///< "executorch", "aoti", or empty: what the file is.
  RunnerOptions runner;
};

/// What the command line says about sampling; the rest comes from the model.
struct SamplingChoice {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
  std::optional<std::uint64_t> seed;
};

struct AnswerChoice {
  SamplingChoice sampling;
  std::size_t max_tokens = 0;
  std::vector<std::string> stop;
};

struct ChatCommand {
  ModelChoice model;
  AnswerChoice answer;
};

struct GenerateCommand {
  ModelChoice model;
  AnswerChoice answer;
  std::optional<std::string> prompt;  ///< Exactly one of these three.
  std::optional<std::filesystem::path> prompt_file;
  bool prompt_from_stdin = false;
  bool raw = false;
  bool json = false;
};

struct ExportCommand {
  std::vector<std::string> arguments;
};

struct InspectCommand {
  ModelChoice model;
};

struct TokenizeCommand {
  std::string source;               ///< A tokenizer file, or a model as ModelChoice has it.
  std::optional<std::string> text;  ///< Without it: standard input.
  bool count = false, jsonl = false, decode = false;
  Specials specials = Specials::kAsText;
  std::filesystem::path compiled_file;  ///< Where the compiled form goes, instead of all else; empty: nowhere.
  std::string encoding;  ///< Of a file of ranks, where its name doesn't tell.
};

struct BenchCommand {
  ModelChoice model;
  std::size_t prompt_tokens = 512, decode_tokens = 64, repeat = 5;
  std::size_t sequences = 1;  ///< Conversations at once.
  bool json = false;
};

struct ProfileCommand {
  ModelChoice model;
  std::size_t prompt_tokens = 512, decode_tokens = 32;
  std::optional<std::filesystem::path> trace_file;
  bool json = false;
};

struct LogitsCommand {
  ModelChoice model;
  std::filesystem::path tokens_file, output_file;
};

struct EvalCommand {
  ModelChoice model;
  std::filesystem::path text_file;
  std::size_t context = 0, stride = 0;  ///< 0: 1024 or what the model has, and half of that.
  std::size_t max_tokens = 0;           ///< Of the text; 0: all.
  bool json = false;
};

using Command = std::variant<ChatCommand, GenerateCommand, ExportCommand, InspectCommand, TokenizeCommand,
                             BenchCommand, ProfileCommand, LogitsCommand, EvalCommand>;

/// Each gives an ExitCode, or throws UsageError, Error or OutputClosed.
int run(const ChatCommand& command);
int run(const GenerateCommand& command);
int run(const ExportCommand& command);
int run(const InspectCommand& command);
int run(const TokenizeCommand& command);
int run(const BenchCommand& command);
int run(const ProfileCommand& command);
int run(const LogitsCommand& command);
int run(const EvalCommand& command);

}  // namespace weft::apps
