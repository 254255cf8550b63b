#include <bit>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "apps/chosen_model.h"
#include "apps/commands.h"
#include "apps/new_file.h"
#include "apps/text_input.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft::apps {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

std::vector<Token> read_ids(const Json& list, std::size_t vocab_size, const std::string& where) {
  if (!list.is_array() || list.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "is no list of token ids", where, "write [1, 2, 3] or [[1, 2], [3]]");
  }
  std::vector<Token> tokens;
  for (const Json& id : list) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= vocab_size) {
      throw Error(ErrorCode::kInvalidArgument, "is not an id from 0 to " + std::to_string(vocab_size - 1),
                  where + "[" + std::to_string(tokens.size()) + "]", "give ids of this model");
    }
    tokens.push_back(id.get<Token>());
  }
  return tokens;
}

// One list of ids, or a list of such lists, which are fed one after another.
std::vector<std::vector<Token>> read_chunks(const std::filesystem::path& path, std::size_t vocab_size) {
  const Json json = Json::parse(read_text(path), nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.empty() || !json.front().is_array()) return {read_ids(json, vocab_size, path.string())};
  std::vector<std::vector<Token>> chunks;
  for (const Json& chunk : json) {
    chunks.push_back(read_ids(chunk, vocab_size, path.string() + ": [" + std::to_string(chunks.size()) + "]"));
  }
  return chunks;
}

}  // namespace

int run(const LogitsCommand& command) {
  // Without load_model(): a program can be checked before it has a tokenizer.
  const auto file = open_model(find_model(command.model));
  const auto runner = file->load_runner({.threads = command.model.threads, .float_activations = command.float_activations});
  const auto chunks = read_chunks(command.tokens_file, runner->vocab_size());
  NewFile output(command.output_file);
  const auto cache = runner->new_cache();
  Logits logits;
  for (const std::vector<Token>& chunk : chunks) {
    const Step step{*cache, chunk, LogitRows::kAll};
    runner->forward({&step, 1}, logits);
    const auto bytes = std::as_bytes(logits.data());
    output.stream().write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  output.commit();
  return kExitOk;
}

}  // namespace weft::apps
