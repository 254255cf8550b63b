#include "tekken.h"

#include <string>
#include <unordered_set>
#include <utility>

#include "base64.h"
#include "ranked_tokenizer.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

// Those of files before version 11, which don't list them.
constexpr std::string_view kFirstControl[] = {
    "<unk>",          "<s>",           "</s>",     "[INST]",    "[/INST]",   "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>",   "[IMG_BREAK]",       "[IMG_END]",
    "[PREFIX]",       "[MIDDLE]",      "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
};

std::vector<AddedToken> read_control(const JsonValue& root, std::size_t count) {
  std::vector<AddedToken> control;
  std::unordered_set<std::string> known;
  const auto add = [&](std::string_view content) {
    control.push_back(control_token(static_cast<Token>(control.size()), content));
    return known.emplace(content).second;
  };
  if (const auto list = root.find("special_tokens")) {
    for (const auto& [key, json] : list->expect_array()) {
      if (control.size() == count) list->fail("has more than default_num_special_tokens, " + std::to_string(count));
      if (json.at("rank").integer(count) != control.size()) {
        json.at("rank").fail("is not " + std::to_string(control.size()) + ": the ranks don't ascend by one");
      }
      if (json.at("token_str").string().empty()) json.at("token_str").fail("a control token is empty");
      if (!add(json.at("token_str").string())) json.at("token_str").fail("the control token is there twice");
    }
  } else {
    for (const std::string_view content : kFirstControl) {
      if (control.size() < count) add(content);
    }
  }
  while (control.size() < count) {
    if (!add("<SPECIAL_" + std::to_string(control.size()) + ">")) root.fail("a control token is named like a filler");
  }
  return control;
}

}  // namespace

bool is_tekken(const JsonValue& root) {
  if (root.kind() != JsonKind::kObject) return false;
  const auto vocab = root.find("vocab"), config = root.find("config");
  return vocab && config && vocab->kind() == JsonKind::kArray && !root.find("model");
}

std::unique_ptr<const Tokenizer> parse_tekken(const JsonValue& root, std::string_view name,
                                              const TokenizerLimits& limits) {
  const JsonValue config = root.at("config");
  const std::size_t size = config.at("default_vocab_size").integer(std::size_t{1} << 31);
  const std::size_t special = config.at("default_num_special_tokens").integer(std::size_t{1} << 31);
  const JsonValue vocab = root.at("vocab").expect_array();
  if (size > limits.vocab_size) {
    config.at("default_vocab_size")
        .fail("is beyond the bound of " + std::to_string(limits.vocab_size) + " ids", ErrorCode::kTooLarge,
              "raise TokenizerLimits::vocab_size if the file is right");
  }
  if (special > size || size - special > vocab.size()) {
    config.at("default_vocab_size")
        .fail("is " + std::to_string(size) + ", but there are " + std::to_string(vocab.size()) + " tokens and " +
              std::to_string(special) + " control tokens");
  }
  RankedVocabulary vocabulary;
  vocabulary.name = name;
  vocabulary.pattern = config.at("pattern").string();
  vocabulary.control = read_control(root, special);
  std::unordered_set<std::string_view> known;
  vocabulary.tokens.reserve(size - special);
  for (const auto& [key, json] : vocab) {
    const std::size_t rank = vocabulary.tokens.size();
    if (rank == size - special) break;  // the file has more than the model
    if (json.at("rank").integer(std::size_t{1} << 31) != rank) {
      json.at("rank").fail("is not " + std::to_string(rank) + ": the ranks don't ascend by one");
    }
    auto bytes = from_base64(json.at("token_bytes").string());
    if (!bytes || bytes->empty()) json.at("token_bytes").fail("is not base64 of at least a byte");
    if (rank < 256 && (bytes->size() != 1 || static_cast<unsigned char>((*bytes)[0]) != rank)) {
      json.at("token_bytes").fail("the first 256 tokens are the bytes in order");
    }
    vocabulary.tokens.push_back({*std::move(bytes), static_cast<Token>(special + rank)});
    if (!known.insert(json.at("token_bytes").string()).second) json.at("token_bytes").fail("the token is there twice");
  }
  return make_ranked_tokenizer(std::move(vocabulary), limits);
}

}  // namespace weft::tokenizer
