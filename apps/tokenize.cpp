#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/output.h"
#include "apps/text_input.h"
#include "weft/error.h"
#include "weft/model.h"
#include "weft/tokenizer.h"

namespace weft::apps {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t kOutputBytes = std::size_t{64} << 10;

std::string dump(const Json& json) { return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace); }

std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& source, const TokenizerOptions& options) {
  std::error_code ignored;
  // A checkpoint's folder, and any file that isn't a model.
  if (fs::is_directory(source, ignored) && fs::exists(fs::path(source) / "tokenizer.json", ignored)) {
    return load_tokenizer(fs::path(source) / "tokenizer.json", options);
  }
  if (fs::is_regular_file(source, ignored) && detect_backend(source).empty()) return load_tokenizer(source, options);
  ModelChoice choice;
  choice.model = source;
  const fs::path file = find_model(choice);
  return read_tokenizer(*open_model(file), file);
}

[[noreturn]] void fail(std::size_t line, const std::string& problem, const std::string& fix) {
  throw Error(ErrorCode::kInvalidArgument, problem, "standard input, line " + std::to_string(line), fix);
}

std::string encode_line(const Tokenizer& tokenizer, const Json& json, Specials specials, std::size_t line) {
  if (!json.is_string()) fail(line, "is no JSON string", "write each text as \"...\", with its line ends as \\n");
  std::string text = "[";
  for (const Token token : tokenizer.encode(json.get_ref<const std::string&>(), specials)) {
    if (text.size() > 1) text += ',';
    text += std::to_string(token);
  }
  return text + "]";
}

std::string decode_line(const Tokenizer& tokenizer, const Json& json, Specials specials, std::size_t line) {
  if (!json.is_array()) fail(line, "is no JSON array of ids", "write each list as [1, 2, 3]");
  std::vector<Token> tokens;
  for (const Json& id : json) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= tokenizer.vocab_size()) {
      fail(line, "element " + std::to_string(tokens.size()) + " is not an id from 0 to " +
                     std::to_string(tokenizer.vocab_size() - 1),
           "give ids of this tokenizer");
    }
    tokens.push_back(id.get<Token>());
  }
  return dump(tokenizer.decode(tokens, specials));
}

int convert_lines(const Tokenizer& tokenizer, const TokenizeCommand& command) {
  LineReader lines;
  std::string line, output;
  while (lines.next(line)) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    try {
      output += command.decode ? decode_line(tokenizer, json, command.specials, lines.line_number())
                               : encode_line(tokenizer, json, command.specials, lines.line_number());
    } catch (const Error&) {
      write_output(output);
      throw;
    }
    output += '\n';
    // A program that waits for each answer gets it at once; a long file is written in large pieces.
    if (output.size() >= kOutputBytes || !lines.has_line()) {
      write_output(output);
      output.clear();
    }
  }
  return kExitOk;
}

int show_pieces(const Tokenizer& tokenizer, const TokenizeCommand& command) {
  const std::string text = command.text ? *command.text : read_standard_input();
  check_utf8(text, command.text ? "TEXT" : "standard input");
  const std::vector<Token> tokens = tokenizer.encode(text, command.specials);
  if (command.count) {
    write_output(std::to_string(tokens.size()) + "\n");
    return kExitOk;
  }
  std::string output;
  for (const Token token : tokens) {
    char id[16];
    std::snprintf(id, sizeof id, "%8d  ", token);
    output += id + dump(tokenizer.piece(token)) + "\n";
  }
  write_output(output);
  return kExitOk;
}

}  // namespace

int run(const TokenizeCommand& command) {
  TokenizerOptions options;
  options.encoding = command.encoding;
  const auto tokenizer = open_tokenizer(command.source, options);
  if (!command.compiled_file.empty()) {
    save_tokenizer(*tokenizer, command.compiled_file);
    return kExitOk;
  }
  return command.jsonl ? convert_lines(*tokenizer, command) : show_pieces(*tokenizer, command);
}

}  // namespace weft::apps
