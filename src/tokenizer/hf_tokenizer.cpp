#include "hf_tokenizer.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "added_tokens.h"
#include "bpe.h"
#include "bpe_reader.h"
#include "decoder.h"
#include "json.h"
#include "normalizer.h"
#include "piece_table.h"
#include "pre_tokenizer.h"
#include "utf8.h"

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
  std::size_t next_id = root.at("model").at("vocab").size();
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

void check_post_processor(const JsonValue& json) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    for (const auto& [key, step] : json.at("processors").expect_array()) check_post_processor(step);
    return;
  }
  // They add BOS, EOS and the like, or move offsets: encode() does neither.
  for (const std::string_view known : {"ByteLevel", "TemplateProcessing", "RobertaProcessing", "BertProcessing"}) {
    if (type == known) return;
  }
  type_value.fail("the post-processor " + quoted(type) + " is not supported; these are: BertProcessing, ByteLevel, " +
                      "RobertaProcessing, Sequence, TemplateProcessing",
                  ErrorCode::kUnsupported, "report the model");
}

std::unordered_set<Token> special_ids(const std::vector<AddedToken>& added) {
  std::unordered_set<Token> ids;
  for (const AddedToken& token : added) {
    if (token.special) ids.insert(token.id);
  }
  return ids;
}

class HfTokenizer : public Tokenizer {
 public:
  HfTokenizer(std::size_t text_bytes, Normalizer normalizer, PreTokenizer pre_tokenizer, Bpe bpe, AddedTokens added,
              PieceTable vocabulary, const Decoder& decoder)
      : text_bytes_(text_bytes),
        normalizer_(std::move(normalizer)),
        pre_tokenizer_(std::move(pre_tokenizer)),
        bpe_(std::move(bpe)),
        added_(std::move(added)),
        pieces_(std::move(vocabulary)) {
    add_pieces();
    fill_bytes(decoder);
  }

  [[nodiscard]] std::vector<Token> encode(std::span<const TextPart> parts) const override;
  [[nodiscard]] std::string decode(std::span<const Token> tokens, Specials specials) const override;
  [[nodiscard]] std::size_t vocab_size() const noexcept override { return pieces_.size(); }
  [[nodiscard]] std::string piece(Token token) const override {
    check(token);
    return std::string(pieces_[token]);
  }
  [[nodiscard]] std::optional<Token> find(std::string_view piece) const override {
    const Token id = pieces_.find(piece);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  [[nodiscard]] bool is_special(Token token) const override {
    check(token);
    return special_[static_cast<std::size_t>(token)];
  }

 private:
  void add_pieces() {
    for (const AddedToken& token : added_.tokens()) {
      if (static_cast<std::size_t>(token.id) >= pieces_.size()) pieces_.resize(static_cast<std::size_t>(token.id) + 1);
      if (pieces_.has(token.id) && pieces_[token.id] == token.content) continue;
      pieces_.set(token.id, token.content);
      pieces_.index(token.id);
    }
    special_.resize(pieces_.size());
    for (const AddedToken& token : added_.tokens()) special_[static_cast<std::size_t>(token.id)] = token.special;
  }

  void fill_bytes(const Decoder& decoder) {
    joined_with_blanks_ = decoder.joins_with_blanks();
    bytes_.resize(pieces_.size());
    for (std::size_t i = 0; i < added_.tokens().size(); ++i) {
      bytes_.set(added_.tokens()[i].id, decoder.bytes_of(added_.matched_form(i)));
    }
    for (Token id = 0; id < static_cast<Token>(pieces_.size()); ++id) {
      if (pieces_.has(id) && !bytes_.has(id)) bytes_.set(id, decoder.bytes_of(pieces_[id]));
    }
  }

  void check(Token token) const {
    if (token >= 0 && static_cast<std::size_t>(token) < pieces_.size()) return;
    throw Error(ErrorCode::kInvalidArgument,
                "id " + std::to_string(token) + " is outside of the vocabulary, 0 to " +
                    std::to_string(static_cast<std::int64_t>(pieces_.size()) - 1),
                "tokens", "use the tokenizer that the model was trained with");
  }

  void encode_text(std::string_view text, const Authors& authors, std::vector<Token>& out) const;

  std::size_t text_bytes_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  Bpe bpe_;
  AddedTokens added_;
  PieceTable pieces_, bytes_;
  std::vector<bool> special_;
  bool joined_with_blanks_ = false;
};

std::vector<Token> HfTokenizer::encode(std::span<const TextPart> parts) const {
  std::size_t size = 0;
  bool mixed = false;
  for (const TextPart& part : parts) {
    size += part.text.size();
    mixed = mixed || part.specials != parts[0].specials;
    if (size > text_bytes_) {
      throw Error(ErrorCode::kTooLarge,
                  "the text is longer than the bound of " + std::to_string(text_bytes_) + " bytes", "text",
                  "shorten it, or raise TokenizerLimits::text_bytes");
    }
  }
  std::vector<Token> out;
  if (size == 0) return out;

  std::string joined;
  std::vector<Range> trusted;
  std::string_view text = parts[0].text;
  if (parts.size() > 1) {
    joined.reserve(size);
    for (const TextPart& part : parts) {
      if (part.specials == Specials::kAsTokens && !part.text.empty()) {
        if (trusted.empty() || trusted.back().end != joined.size()) trusted.push_back({joined.size(), joined.size()});
        trusted.back().end += part.text.size();
      }
      joined += part.text;
    }
    text = joined;
  }
  if (valid_utf8_prefix(text) != text.size()) {
    joined = repair_utf8(text, &trusted);
    text = joined;
  }
  out.reserve(text.size() / 4 + 16);
  encode_text(text, mixed ? Authors(trusted) : Authors(parts[0].specials), out);
  return out;
}

void HfTokenizer::encode_text(std::string_view text, const Authors& authors, std::vector<Token>& out) const {
  std::vector<Stretch> raw, normal;
  Words words;
  Bpe::Encoder encoder(bpe_, text.size(), out);
  added_.find_raw(text, authors, raw);
  for (const Stretch& stretch : raw) {
    if (stretch.token != nullptr) {
      out.push_back(stretch.token->id);
      continue;
    }
    std::string_view part = text.substr(stretch.range.begin, stretch.range.size());
    NormalizedText normalized;
    if (!normalizer_.leaves(part)) {
      normalized = normalizer_.apply(part, authors.is_mixed());
      part = normalized.text;
    }
    normal.clear();
    added_.find_normalized(part, normalized.source, stretch.range.begin, authors, normal);
    for (const Stretch& piece : normal) {
      if (piece.token != nullptr) {
        out.push_back(piece.token->id);
        continue;
      }
      const std::string_view stretch_text = part.substr(piece.range.begin, piece.range.size());
      for (std::size_t done = 0; done < stretch_text.size();) {
        done = pre_tokenizer_.split(stretch_text, done, words);
        encoder.encode(words.text, words.ranges);
      }
    }
  }
}

std::string HfTokenizer::decode(std::span<const Token> tokens, Specials specials) const {
  std::string text;
  bool first = true;
  for (const Token token : tokens) {
    check(token);
    if (!bytes_.has(token) || (specials == Specials::kAsText && special_[static_cast<std::size_t>(token)])) continue;
    if (joined_with_blanks_ && !first) text += ' ';
    first = false;
    text += bytes_[token];
  }
  return valid_utf8_prefix(text) == text.size() ? text : repair_utf8(text);
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_hf_tokenizer(std::string_view bytes, std::string_view name,
                                                    const TokenizerLimits& limits) {
  const JsonDocument document(bytes, std::string(name), limits);
  const JsonValue root = document.root();
  if (const auto version = root.find("version"); version && version->string() != "1.0") {
    version->fail("version " + quoted(version->string()) + " is not supported; this is: 1.0", ErrorCode::kUnsupported,
                  "report the model");
  }
  const JsonValue model = root.at("model");
  // Old files leave the type out; only a BPE has merges.
  const auto type = model.find("type");
  if (type ? type->string() != "BPE" : !model.find("merges")) {
    (type ? *type : model)
        .fail("the model " + (type ? quoted(type->string()) : "without a type or merges") +
                  " is not supported; this is: BPE",
              ErrorCode::kUnsupported, "report the model");
  }
  PieceTable vocabulary = read_vocabulary(model, limits);
  std::vector<AddedToken> added = read_added_tokens(root, vocabulary, limits);
  Normalizer normalizer(root.find("normalizer"));
  PreTokenizer pre_tokenizer(root.find("pre_tokenizer"));
  if (!pre_tokenizer.is_byte_level()) {
    root.find("pre_tokenizer")
        .value_or(root)
        .fail("only byte-level models are supported, but the pre_tokenizer has no ByteLevel", ErrorCode::kUnsupported,
              "report the model");
  }
  if (const auto post_processor = root.find("post_processor")) check_post_processor(*post_processor);
  const Decoder decoder(root.find("decoder"));
  Bpe bpe = read_bpe(model, vocabulary, special_ids(added));
  AddedTokens added_tokens(std::move(added), normalizer);
  const auto text_bytes = std::min<std::size_t>(limits.text_bytes, std::numeric_limits<std::int32_t>::max());
  return std::make_unique<HfTokenizer>(text_bytes, std::move(normalizer), std::move(pre_tokenizer), std::move(bpe),
                                       std::move(added_tokens), std::move(vocabulary), decoder);
}

}  // namespace weft::tokenizer
