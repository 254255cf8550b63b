#include <bit>
#include <nlohmann/json.hpp>
#include <optional>
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

// Tokens to feed, once the cache has gone back to its first `keep` tokens.
struct Chunk {
  std::optional<std::size_t> keep;
  std::vector<Token> tokens;
};

// One list of ids, or a list of such lists, which are fed one after another; {"keep": 5, "ids": [1, 2]} rewinds first.
std::vector<Chunk> read_chunks(const std::filesystem::path& path, std::size_t vocab_size) {
  const Json json = Json::parse(read_text(path), nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.empty() || !json.front().is_structured()) return {{{}, read_ids(json, vocab_size, path.string())}};
  std::vector<Chunk> chunks;
  std::size_t held = 0;
  for (const Json& entry : json) {
    const std::string where = path.string() + ": [" + std::to_string(chunks.size()) + "]";
    Chunk chunk;
    if (entry.is_object()) {
      const Json keep = entry.value("keep", Json(held));
      if (!keep.is_number_unsigned() || keep.get<std::uint64_t>() > held) {
        throw Error(ErrorCode::kInvalidArgument, "keep is not a number from 0 to " + std::to_string(held), where,
                    "write how many of the tokens that were read so far stay");
      }
      held = keep.get<std::uint64_t>();
      chunk.keep = held;
    }
    chunk.tokens = read_ids(entry.is_object() ? entry.value("ids", Json()) : entry, vocab_size, where);
    held += chunk.tokens.size();
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

}  // namespace

int run(const LogitsCommand& command) {
  // Without load_model(): a program can be checked before it has a tokenizer.
  const auto file = open_model(find_model(command.model));
  const auto runner = file->load_runner(command.model.runner);
  const auto chunks = read_chunks(command.tokens_file, runner->vocab_size());
  NewFile output(command.output_file);
  const auto cache = runner->new_cache();
  Logits logits;
  for (const Chunk& chunk : chunks) {
    if (chunk.keep) cache->truncate(*chunk.keep);
    const Step step{*cache, chunk.tokens, LogitRows::kAll};
    runner->forward({&step, 1}, logits);
    const auto bytes = std::as_bytes(logits.data());
    output.stream().write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  output.commit();
  return kExitOk;
}

}  // namespace weft::apps
