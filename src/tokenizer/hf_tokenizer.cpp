#include "hf_tokenizer.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "added_tokens.h"
#include "decoder.h"
#include "hf_model.h"
#include "json.h"
#include "normalizer.h"
#include "piece_table.h"
#include "post_processor.h"
#include "pre_tokenizer.h"
#include "staged_tokenizer.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kMaxAddedBytes = 1024;  // of one added token: a text is looked at as often as they are long

std::vector<AddedToken> read_added_tokens(const JsonValue& root, const PieceTable& vocabulary,
                                          const TokenizerLimits& limits) {
  std::vector<AddedToken> tokens;
  const auto list = root.find("added_tokens");
  if (!list) return tokens;
  std::unordered_map<std::string, std::size_t> known;
  // The ids in the file say what it was made with. What counts is the vocabulary; new tokens are numbered behind it.
  const std::size_t vocab_size = root.at("model").at("vocab").size();
  std::size_t next_id = vocab_size;
  for (const auto& [key, json] : list->expect_array()) {
    AddedToken token;
    token.content = json.at("content").string();
    (void)json.at("id").integer(std::size_t{1} << 31);
    token.single_word = json.at("single_word").boolean();
    token.lstrip = json.at("lstrip").boolean();
    token.rstrip = json.at("rstrip").boolean();
    token.normalized = json.at("normalized").boolean();
    token.special = json.at("special").boolean();
    if (token.content.empty()) continue;
    if (token.content.size() > kMaxAddedBytes) {
      json.at("content").fail("an added token of more than " + std::to_string(kMaxAddedBytes) + " bytes",
                              ErrorCode::kTooLarge);
    }
    const auto [place, fresh] = known.try_emplace(token.content, tokens.size());
    if (!fresh) {  // the last one counts, but once special is always special
      AddedToken& old = tokens[place->second];
      token.id = old.id;
      token.special = token.special || old.special;
      old = std::move(token);
      continue;
    }
    token.id = vocabulary.find(token.content);
    if (token.id < 0) {
      if (next_id >= limits.vocab_size) {
        json.fail("more than " + std::to_string(limits.vocab_size) + " ids", ErrorCode::kTooLarge,
                  "raise TokenizerLimits::vocab_size if the file is right");
      }
      token.id = static_cast<Token>(next_id++);
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::unordered_set<Token> special_ids(const std::vector<AddedToken>& added) {
  std::unordered_set<Token> ids;
  for (const AddedToken& token : added) {
    if (token.special) ids.insert(token.id);
  }
  return ids;
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_hf_tokenizer(std::unique_ptr<const JsonDocument> document,
                                                    const std::function<void()>& release, const TokenizerLimits& limits) {
  const JsonValue root = document->root();
  const auto member = root.find("model");
  if (!member || member->kind() != JsonKind::kObject) {  // a vocabulary may have the word
    root.fail("has no object \"model\": it is no tokenizer.json", ErrorCode::kCorrupt,
              "name the model's tokenizer.json, which lies beside its vocab.json, config.json and tokenizer_config.json");
  }
  if (const auto version = root.find("version"); version && version->string() != "1.0") {
    version->fail("version " + quoted(version->string()) + " is not supported; this is: 1.0", ErrorCode::kUnsupported,
                  "report the model");
  }
  const JsonValue model = *member;
  const ModelKind kind = read_model_kind(model);
  Stages stages;
  stages.pieces = read_vocabulary(model, kind, limits);
  std::vector<AddedToken> added = read_added_tokens(root, stages.pieces, limits);
  stages.normalizer = read_normalizer(root.find("normalizer"));
  stages.pre_tokenizer = read_pre_tokenizer(root.find("pre_tokenizer"));
  stages.post_processor = read_post_processor(root.find("post_processor"));
  stages.decoder = read_decoder(root.find("decoder"));
  stages.truncation = read_truncation(root.find("truncation"));
  stages.padding = read_padding(root.find("padding"));
  bool keep_bytes = stages.pre_tokenizer.can_keep_bytes();
  const auto pending = read_model(model, kind, stages.pieces, special_ids(added), keep_bytes);
  if (keep_bytes) stages.pre_tokenizer.keep_bytes();
  try {
    stages.added = AddedTokens(std::move(added), stages.normalizer);
  } catch (const Error& error) {  // of the normalizer, on the contents
    root.at("added_tokens").fail(error.message(), error.code(), error.fix());
  }
  document.reset();
  release();
  stages.model = pending->make();
  stages.text_bytes = std::min<std::size_t>(limits.text_bytes, std::numeric_limits<std::int32_t>::max());
  return make_tokenizer(std::move(stages));
}

}  // namespace weft::tokenizer
