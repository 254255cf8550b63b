#include "post_processor.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace weft::tokenizer {
namespace {

constexpr std::size_t kMostOverflowing = std::size_t{1} << 20;  // sequences: pairs multiply them
constexpr std::size_t kMostTokens = std::size_t{1} << 26;       // of a padded sequence, and of all that was cut off

DraftToken special_token(Token id, std::uint32_t type_id) { return {.id = id, .type_id = type_id, .special = true}; }

// Of what truncation cut off, the type stays that of its text.
void set_type(Draft& draft, std::uint32_t type_id) {
  for (DraftToken& token : draft.tokens) token.type_id = type_id;
}

// Behind `draft`, `next`; of the parts that truncation cut off, every one with every one.
void append(Draft& draft, const Draft& next) {
  const auto joined = [](const Draft& a, const Draft& b) {
    Draft both{a.tokens};
    both.tokens.insert(both.tokens.end(), b.tokens.begin(), b.tokens.end());
    return both;
  };
  if ((draft.overflowing.size() + 1) * (next.overflowing.size() + 1) > kMostOverflowing) {
    throw Error(ErrorCode::kTooLarge, "truncation cuts the pair into more than " + std::to_string(kMostOverflowing) +
                                          " sequences",
                "text", "cut one of the two texts only, or allow more tokens");
  }
  std::vector<Draft> overflowing;
  for (const Draft& mine : draft.overflowing) {
    overflowing.push_back(joined(mine, next));
    for (const Draft& other : next.overflowing) overflowing.push_back(joined(mine, other));
  }
  for (const Draft& other : next.overflowing) overflowing.push_back(joined(draft, other));
  draft.tokens.insert(draft.tokens.end(), next.tokens.begin(), next.tokens.end());
  draft.overflowing = std::move(overflowing);
}

// Takes the blanks of pieces out of their offsets, counted in characters of the text.
void trim_offsets(Draft& draft, std::string_view text, bool add_prefix_space) {
  const auto forward = [&](std::size_t pos, std::uint32_t characters, std::size_t limit) {
    while (characters-- > 0 && pos < limit) pos += decode_at(text, pos).length;
    return std::min(pos, limit);
  };
  for (std::size_t i = 0; i < draft.tokens.size(); ++i) {
    DraftToken& token = draft.tokens[i];
    Range& range = token.offsets;
    if (token.leading > 0) {
      // The blank that was put before the first word is not in the text.
      const bool kept = (i == 0 || range.begin == 0) && add_prefix_space && token.leading == 1;
      if (!kept) range.begin = forward(range.begin, token.leading, range.end);
    }
    if (token.trailing > 0) {
      std::size_t end = range.end;
      std::uint32_t left = token.trailing;
      for (; left > 0 && end > 0; --left) end -= decode_before(text, end).length;
      if (left == 0) range.end = std::max(end, range.begin);
    }
  }
}

void trim_all(std::vector<Draft>& drafts, bool add_prefix_space) {
  for (Draft& draft : drafts) {
    trim_offsets(draft, draft.text, add_prefix_space);
    for (Draft& part : draft.overflowing) trim_offsets(part, draft.text, add_prefix_space);
  }
}

// Puts ids around `draft` and around what was cut off it.
void surround(Draft& draft, std::optional<Token> before, Token behind, std::uint32_t type_id) {
  const auto put = [&](Draft& part) {
    // What a processor before this one added is text to it.
    for (DraftToken& token : part.tokens) token.special = false;
    if (before) part.tokens.insert(part.tokens.begin(), special_token(*before, type_id));
    part.tokens.push_back(special_token(behind, type_id));
  };
  put(draft);
  for (Draft& part : draft.overflowing) put(part);
}

}  // namespace

void PostProcessor::add_template(Template single, Template pair) {
  steps_.push_back({.kind = Step::Kind::kTemplate, .single = std::move(single), .pair = std::move(pair)});
}
void PostProcessor::add_bert(Token sep, Token cls) {
  steps_.push_back({.kind = Step::Kind::kBert, .sep = sep, .cls = cls});
}
void PostProcessor::add_roberta(Token sep, Token cls, bool trim_offsets, bool add_prefix_space) {
  steps_.push_back({.kind = Step::Kind::kRoberta,
                    .sep = sep,
                    .cls = cls,
                    .trim_offsets = trim_offsets,
                    .add_prefix_space = add_prefix_space});
}
void PostProcessor::add_byte_level(bool trim_offsets, bool add_prefix_space) {
  steps_.push_back(
      {.kind = Step::Kind::kByteLevel, .trim_offsets = trim_offsets, .add_prefix_space = add_prefix_space});
}

bool PostProcessor::trims() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.trim_offsets; });
}

std::size_t PostProcessor::added(bool pair) const {
  std::size_t sum = 0;
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Step::Kind::kTemplate:
        for (const TemplatePiece& piece : pair ? step.pair : step.single) sum += piece.ids.size();
        break;
      case Step::Kind::kBert: sum += pair ? 3 : 2; break;
      case Step::Kind::kRoberta: sum += pair ? 4 : 2; break;
      case Step::Kind::kByteLevel: break;
    }
  }
  return sum;
}

std::vector<Draft> PostProcessor::run(const Step& step, std::vector<Draft> drafts, bool add_special_tokens) {
  switch (step.kind) {
    case Step::Kind::kByteLevel:
      if (step.trim_offsets) trim_all(drafts, step.add_prefix_space);
      return drafts;
    case Step::Kind::kBert:
      for (std::size_t i = 0; add_special_tokens && i < drafts.size(); ++i) {
        surround(drafts[i], i == 0 ? std::optional(step.cls) : std::nullopt, step.sep, i == 0 ? 0 : 1);
      }
      return drafts;
    case Step::Kind::kRoberta:
      if (step.trim_offsets) trim_all(drafts, step.add_prefix_space);
      for (std::size_t i = 0; i < drafts.size(); ++i) {
        set_type(drafts[i], 0);
        if (!add_special_tokens) continue;
        for (Draft& part : drafts[i].overflowing) set_type(part, 0);
        surround(drafts[i], i == 0 ? step.cls : step.sep, step.sep, 0);
      }
      return drafts;
    case Step::Kind::kTemplate: break;
  }
  if (drafts.size() > 2) {
    throw Error(ErrorCode::kUnsupported, "a second template for sequences of more than two parts", "post_processor",
                "report the model");
  }
  std::vector<Draft> result;
  for (const TemplatePiece& piece : drafts.size() == 2 ? step.pair : step.single) {
    if (piece.kind == TemplatePiece::Kind::kSpecial) {
      if (!add_special_tokens) continue;
      Draft added;
      for (const Token id : piece.ids) added.tokens.push_back(special_token(id, piece.type_id));
      result.push_back(std::move(added));
      continue;
    }
    const std::size_t index = piece.kind == TemplatePiece::Kind::kFirst ? 0 : 1;
    if (index >= drafts.size()) {
      throw Error(ErrorCode::kUnsupported, "the template for one text asks for a second one", "post_processor",
                  "encode a pair, or leave special tokens out");
    }
    set_type(drafts[index], piece.type_id);
    result.push_back(drafts[index]);
  }
  return result;
}

Draft PostProcessor::process(Draft first, std::optional<Draft> second, bool add_special_tokens) const {
  std::vector<Draft> drafts;
  drafts.push_back(std::move(first));
  if (second) drafts.push_back(*std::move(second));
  if (!steps_.empty()) {
    for (std::size_t i = 0; i < drafts.size(); ++i) set_type(drafts[i], static_cast<std::uint32_t>(i));
  }
  for (const Step& step : steps_) drafts = run(step, std::move(drafts), add_special_tokens);
  if (drafts.empty()) return {};
  Draft whole = std::move(drafts.front());
  for (std::size_t i = 1; i < drafts.size(); ++i) append(whole, drafts[i]);
  return whole;
}

namespace {

void truncate_one(Draft& draft, std::size_t most, std::size_t stride, Side side) {
  const std::size_t size = draft.tokens.size();
  if (most >= size) return;
  if (most == 0) {
    Draft all{std::move(draft.tokens)};
    draft.tokens.clear();
    draft.overflowing.push_back(std::move(all));
    return;
  }
  if (stride >= most) {
    throw Error(ErrorCode::kInvalidArgument,
                "the stride of " + std::to_string(stride) + " leaves nothing of the " + std::to_string(most) +
                    " tokens that there is room for",
                "truncation", "use a smaller stride, or allow more tokens");
  }
  const std::size_t step = most - stride;
  if (size / step > kMostOverflowing || size / step * most > kMostTokens) {
    throw Error(ErrorCode::kTooLarge,
                "cut into parts of " + std::to_string(most) + " tokens with a stride of " + std::to_string(stride) +
                    ", the " + std::to_string(size) + " tokens take too much memory",
                "truncation", "use a smaller stride, allow more tokens, or cut the text yourself");
  }
  std::vector<Range> parts;
  if (side == Side::kRight) {
    for (std::size_t begin = 0;; begin += step) {
      parts.push_back({begin, std::min(begin + most, size)});
      if (parts.back().end == size) break;
    }
  } else {
    for (std::size_t end = size;; end -= step) {
      parts.push_back({end > most ? end - most : 0, end});
      if (parts.back().begin == 0) break;
    }
  }
  const std::vector<DraftToken> tokens = std::move(draft.tokens);
  const auto part = [&](Range range) {
    return std::vector<DraftToken>(tokens.begin() + static_cast<std::ptrdiff_t>(range.begin),
                                   tokens.begin() + static_cast<std::ptrdiff_t>(range.end));
  };
  draft.tokens = part(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) draft.overflowing.push_back({part(parts[i])});
}

}  // namespace

void truncate(Draft& first, Draft* second, const Truncation& truncation) {
  const std::size_t most = truncation.max_tokens, stride = truncation.stride;
  const Side side = truncation.side;
  std::size_t n1 = first.tokens.size(), n2 = second != nullptr ? second->tokens.size() : 0;
  if (most == 0) {
    truncate_one(first, 0, stride, side);
    if (second != nullptr) truncate_one(*second, 0, stride, side);
    return;
  }
  if (n1 + n2 <= most) return;
  const std::size_t removed = n1 + n2 - most;
  if (truncation.strategy == Truncation::Strategy::kLongestFirst) {
    if (second == nullptr) return truncate_one(first, most, stride, side);
    // The shorter one keeps all of its tokens if the longer one needn't become shorter than it.
    const bool swapped = n1 > n2;
    if (swapped) std::swap(n1, n2);
    n2 = n1 > most ? n1 : std::max(n1, most - n1);
    if (n1 + n2 > most) n1 = most / 2, n2 = n1 + most % 2;
    if (swapped) std::swap(n1, n2);
    truncate_one(first, n1, stride, side);
    truncate_one(*second, n2, stride, side);
    return;
  }
  const bool only_first = truncation.strategy == Truncation::Strategy::kOnlyFirst;
  if (!only_first && second == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, "only the second text may be cut, but there is none", "truncation",
                "encode a pair, or choose another strategy");
  }
  Draft& target = only_first ? first : *second;
  if (target.tokens.size() <= removed) {
    throw Error(ErrorCode::kInvalidArgument,
                "one text has " + std::to_string(target.tokens.size()) + " tokens, but " + std::to_string(removed) +
                    " must go",
                "truncation", "choose another strategy, or allow more tokens");
  }
  truncate_one(target, target.tokens.size() - removed, stride, side);
}

std::size_t padded_length(std::size_t longest, const Padding& padding) {
  const std::size_t length = padding.length != 0 ? padding.length : longest;
  const std::size_t rest = padding.multiple_of != 0 ? length % padding.multiple_of : 0;
  return rest == 0 ? length : length + (padding.multiple_of - rest);
}

namespace {

void check_length(std::size_t length) {
  if (length <= kMostTokens) return;
  throw Error(ErrorCode::kTooLarge,
              "padding to " + std::to_string(length) + " tokens is beyond the bound of " + std::to_string(kMostTokens),
              "padding", "pad to a smaller length");
}

}  // namespace

void pad(Encoding& encoding, std::size_t length, const Padding& padding, unsigned fields) {
  check_length(length);
  for (Encoding& part : encoding.overflowing) pad(part, length, padding, fields);
  if (encoding.size >= length) return;
  const std::size_t more = length - encoding.size;
  const auto fill = [&](EncodingField field, auto& vector, auto value) {
    if ((fields & field) == 0) return;
    vector.insert(padding.side == Side::kLeft ? vector.begin() : vector.end(), more, value);
  };
  fill(kIds, encoding.ids, padding.id);
  fill(kOffsets, encoding.offsets, ByteSpan{});
  fill(kWords, encoding.words, -1);
  fill(kTypeIds, encoding.type_ids, padding.type_id);
  fill(kSpecialsMask, encoding.specials_mask, std::uint8_t{1});
  fill(kAttentionMask, encoding.attention_mask, std::uint8_t{0});
  encoding.size = length;
}

void pad(Draft& draft, std::size_t length, const Padding& padding) {
  check_length(length);
  for (Draft& part : draft.overflowing) pad(part, length, padding);
  if (draft.tokens.size() >= length) return;
  const DraftToken token{.id = padding.id, .type_id = padding.type_id, .special = true, .attention = false};
  const auto place = padding.side == Side::kLeft ? draft.tokens.begin() : draft.tokens.end();
  draft.tokens.insert(place, length - draft.tokens.size(), token);
}

Encoding to_encoding(Draft draft, unsigned fields) {
  Encoding encoding;
  encoding.size = draft.tokens.size();
  const auto fill = [&](EncodingField field, auto& vector, auto&& value) {
    if ((fields & field) == 0) return;
    vector.reserve(draft.tokens.size());
    for (const DraftToken& token : draft.tokens) vector.push_back(value(token));
  };
  fill(kIds, encoding.ids, [](const DraftToken& token) { return token.id; });
  fill(kOffsets, encoding.offsets,
       [](const DraftToken& token) { return ByteSpan{token.offsets.begin, token.offsets.end}; });
  fill(kWords, encoding.words, [](const DraftToken& token) { return token.word; });
  fill(kTypeIds, encoding.type_ids, [](const DraftToken& token) { return token.type_id; });
  fill(kSpecialsMask, encoding.specials_mask,
       [](const DraftToken& token) { return static_cast<std::uint8_t>(token.special); });
  fill(kAttentionMask, encoding.attention_mask,
       [](const DraftToken& token) { return static_cast<std::uint8_t>(token.attention); });
  for (Draft& part : draft.overflowing) encoding.overflowing.push_back(to_encoding(std::move(part), fields));
  return encoding;
}

namespace {

Token read_id(const JsonValue& json) { return static_cast<Token>(json.integer(std::size_t{1} << 31)); }

// ["[SEP]", 102]
Token read_pair(const JsonValue& json) {
  if (json.expect_array().size() != 2) json.fail("must be a token and its id");
  auto item = json.begin();
  (void)(*item).value.string();
  ++item;
  return read_id((*item).value);
}

PostProcessor::Template read_template(const JsonValue& json, const JsonValue& specials) {
  PostProcessor::Template result;
  for (const auto& [key, item] : json.expect_array()) {
    using Kind = PostProcessor::TemplatePiece::Kind;
    PostProcessor::TemplatePiece piece{};
    const auto sequence = item.find("Sequence");
    const JsonValue body = sequence ? *sequence : item.at("SpecialToken");
    const std::string_view id = body.at("id").string();
    piece.type_id = static_cast<std::uint32_t>(body.at("type_id").integer(std::size_t{1} << 32));
    if (sequence) {
      if (id != "A" && id != "B") body.at("id").fail("the sequence " + quoted(id) + " is none of A, B");
      piece.kind = id == "A" ? Kind::kFirst : Kind::kSecond;
    } else {
      piece.kind = Kind::kSpecial;
      const auto special = specials.find(id);
      if (!special) body.at("id").fail("the special token " + quoted(id) + " is not in special_tokens");
      for (const auto& [index, value] : special->at("ids").expect_array()) piece.ids.push_back(read_id(value));
    }
    result.push_back(std::move(piece));
  }
  return result;
}

void read_steps(const JsonValue& json, PostProcessor& steps) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    for (const auto& [key, step] : json.at("processors").expect_array()) read_steps(step, steps);
  } else if (type == "TemplateProcessing") {
    const JsonValue specials = json.at("special_tokens").expect_object();
    auto single = read_template(json.at("single"), specials);
    auto pair = read_template(json.at("pair"), specials);
    steps.add_template(std::move(single), std::move(pair));
  } else if (type == "BertProcessing") {
    steps.add_bert(read_pair(json.at("sep")), read_pair(json.at("cls")));
  } else if (type == "RobertaProcessing") {
    steps.add_roberta(read_pair(json.at("sep")), read_pair(json.at("cls")), json.at("trim_offsets").boolean(),
                      json.at("add_prefix_space").boolean());
  } else if (type == "ByteLevel") {
    (void)json.boolean_or("use_regex", true);
    steps.add_byte_level(json.at("trim_offsets").boolean(), json.at("add_prefix_space").boolean());
  } else {
    type_value.fail("the post-processor " + quoted(type) + " is not supported; these are: BertProcessing, ByteLevel, " +
                        "RobertaProcessing, Sequence, TemplateProcessing",
                    ErrorCode::kUnsupported, "report the model");
  }
}

Side read_side(const std::optional<JsonValue>& json) {
  if (!json) return Side::kRight;
  if (json->string() != "Left" && json->string() != "Right") {
    json->fail("the direction " + quoted(json->string()) + " is none of Left, Right");
  }
  return json->string() == "Left" ? Side::kLeft : Side::kRight;
}

}  // namespace

PostProcessor read_post_processor(const std::optional<JsonValue>& json) {
  PostProcessor steps;
  if (json) read_steps(*json, steps);
  return steps;
}

std::optional<Truncation> read_truncation(const std::optional<JsonValue>& json) {
  if (!json) return std::nullopt;
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  Truncation result;
  result.max_tokens = json->at("max_length").integer(kMost);
  result.stride = json->at("stride").integer(kMost);
  result.side = read_side(json->find("direction"));
  const JsonValue strategy = json->at("strategy");
  const std::string_view name = strategy.string();
  if (name != "LongestFirst" && name != "OnlyFirst" && name != "OnlySecond") {
    strategy.fail("the strategy " + quoted(name) + " is none of LongestFirst, OnlyFirst, OnlySecond");
  }
  result.strategy = name == "LongestFirst" ? Truncation::Strategy::kLongestFirst
                    : name == "OnlyFirst"  ? Truncation::Strategy::kOnlyFirst
                                           : Truncation::Strategy::kOnlySecond;
  return result;
}

std::optional<Padding> read_padding(const std::optional<JsonValue>& json) {
  if (!json) return std::nullopt;
  constexpr std::size_t kMost = std::size_t{1} << 31;
  Padding result;
  const JsonValue strategy = json->at("strategy");
  if (strategy.kind() == JsonKind::kString) {
    if (strategy.string() != "BatchLongest") {
      strategy.fail("the strategy " + quoted(strategy.string()) + " is none of BatchLongest, Fixed");
    }
  } else {
    result.length = strategy.at("Fixed").integer(kMost);
  }
  result.side = read_side(json->at("direction"));
  if (const auto multiple = json->find("pad_to_multiple_of")) result.multiple_of = multiple->integer(kMost);
  result.id = read_id(json->at("pad_id"));
  result.type_id = static_cast<std::uint32_t>(json->at("pad_type_id").integer(std::size_t{1} << 32));
  (void)json->at("pad_token").string();
  return result;
}

}  // namespace weft::tokenizer
