#include "staged_tokenizer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "compiled.h"
#include "spares.h"
#include "unicode.h"
#include "utf8.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

// A text in parts, made one well-formed string.
class Input {
 public:
  Input(std::string_view text, Specials specials, std::size_t most_bytes) : original_(text), authors_(specials) {
    check_size(text.size(), most_bytes);
    repair();
  }
  Input(std::span<const TextPart> parts, std::size_t most_bytes) {
    std::size_t size = 0;
    bool mixed = false;
    for (const TextPart& part : parts) {
      size += part.text.size();
      mixed = mixed || part.specials != parts[0].specials;
      check_size(size, most_bytes);
    }
    if (size == 0) return;
    original_ = parts[0].text;
    if (parts.size() > 1) {
      joined_.reserve(size);
      for (const TextPart& part : parts) {
        if (part.specials == Specials::kAsTokens && !part.text.empty()) {
          if (trusted_.empty() || trusted_.back().end != joined_.size()) {
            trusted_.push_back({joined_.size(), joined_.size()});
          }
          trusted_.back().end += part.text.size();
        }
        joined_ += part.text;
      }
      original_ = joined_;
    }
    repair();
    authors_ = mixed ? Authors(trusted_) : Authors(parts[0].specials);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] const Authors& authors() const { return authors_; }

  /// Makes places in text() places in the text as it was given.
  /// @param second  Of which text of a pair.
  void restore(Draft& draft, bool second) const {
    if (repaired_.empty()) return;
    std::vector<std::size_t> places;  // by byte of text(), and its end
    places.reserve(text_.size() + 1);
    for (std::size_t pos = 0; pos < original_.size();) {
      const Utf8Step step = step_utf8(original_.substr(pos));
      const unsigned now = step.well_formed ? step.length : 3;  // U+FFFD
      for (unsigned i = 0; i < now; ++i) places.push_back(step.well_formed ? pos + i : pos);
      pos += step.length;
    }
    places.push_back(original_.size());
    const auto restore_all = [&](auto&& self, Draft& part) -> void {
      for (DraftToken& token : part.tokens) {
        if (token.second != second) continue;
        token.offsets = {places[std::min(token.offsets.begin, text_.size())],
                         places[std::min(token.offsets.end, text_.size())]};
      }
      for (Draft& other : part.overflowing) self(self, other);
    };
    restore_all(restore_all, draft);
  }

 private:
  static void check_size(std::size_t size, std::size_t most_bytes) {
    if (size <= most_bytes) return;
    throw Error(ErrorCode::kTooLarge, "the text is longer than the bound of " + std::to_string(most_bytes) + " bytes", "text",
                "shorten it, or raise TokenizerLimits::text_bytes");
  }
  void repair() {
    text_ = original_;
    if (valid_utf8_prefix(original_) == original_.size()) return;
    repaired_ = repair_utf8(original_, &trusted_);
    text_ = repaired_;
  }

  std::string_view original_, text_;
  std::string joined_, repaired_;
  std::vector<Range> trusted_;
  Authors authors_{Specials::kAsText};
};

bool counts_as_blank(char32_t c) { return c == 0x120 || is_space(c); }  // U+0120 is a blank in the byte-level alphabet

void count_blanks(std::string_view piece, DraftToken& token) {
  if (!is_utf8(piece)) return;
  for (std::size_t pos = 0; pos < piece.size(); ++token.leading) {
    const CodePoint c = decode_at(piece, pos);
    if (!counts_as_blank(c.value)) break;
    pos += c.length;
  }
  for (std::size_t pos = piece.size(); pos > 0; ++token.trailing) {
    const CodePoint c = decode_before(piece, pos);
    if (!counts_as_blank(c.value)) break;
    pos -= c.length;
  }
}

// What a compiled file holds of types that are public, and know nothing of such files.
template <typename Archive, typename Choice>
void choice_field(Archive& archive, Choice& choice, std::remove_const_t<Choice> last) {
  auto number = static_cast<std::uint32_t>(choice);
  archive(number);
  if constexpr (Archive::kReads) {
    archive.demand(number <= static_cast<std::uint32_t>(last), "has a value of a kind that is unknown");
    choice = static_cast<Choice>(number);
  }
}
template <typename Archive, typename MaybeTruncation, typename MaybePadding>
void length_fields(Archive& archive, MaybeTruncation& truncation, MaybePadding& padding) {
  bool truncates = truncation.has_value(), pads = padding.has_value();
  archive(truncates, pads);
  if constexpr (Archive::kReads) {
    if (truncates) truncation.emplace();
    if (pads) padding.emplace();
  }
  if (truncates) {
    archive(truncation->max_tokens, truncation->stride);
    choice_field(archive, truncation->strategy, Truncation::Strategy::kOnlySecond);
    choice_field(archive, truncation->side, Side::kRight);
  }
  if (pads) {
    archive(padding->length, padding->multiple_of, padding->id, padding->type_id);
    choice_field(archive, padding->side, Side::kRight);
  }
}

class StagedTokenizer : public Tokenizer {
 public:
  explicit StagedTokenizer(Stages stages) : stages_(std::move(stages)) {
    add_pieces();
    mark_special();
    fill_bytes();
  }
  /// Of what save() wrote.
  /// @param owner  Of the bytes that `reader` reads.
  StagedTokenizer(CompiledReader& reader, std::shared_ptr<const void> owner, const TokenizerLimits& limits)
      : owner_(std::move(owner)) {
    reader(stages_.pieces, bytes_);
    const std::size_t pieces = stages_.pieces.size();
    if (pieces > limits.vocab_size) {
      throw Error(ErrorCode::kTooLarge, "has more than " + std::to_string(limits.vocab_size) + " ids", reader.name(),
                  "raise TokenizerLimits::vocab_size if the file is right");
    }
    stages_.normalizer = Normalizer::read(reader);
    auto added = reader.take<std::vector<AddedToken>>();
    const auto is_wrong = [&](const AddedToken& token) {
      return token.content.empty() || token.id < 0 || static_cast<std::size_t>(token.id) >= pieces;
    };
    reader.demand(std::none_of(added.begin(), added.end(), is_wrong), "has an added token without id or content");
    stages_.added = AddedTokens(std::move(added), stages_.normalizer);
    stages_.pre_tokenizer = PreTokenizer::read(reader);
    stages_.model = read_model(reader, pieces);
    stages_.decoder = Decoder::read(reader);
    reader(stages_.post_processor, stages_.silent);
    const auto is_none = [&](Token id) { return id < 0 || static_cast<std::size_t>(id) >= pieces; };
    reader.demand(std::none_of(stages_.silent.begin(), stages_.silent.end(), is_none), "has an id without text that is none of its ids");
    length_fields(reader, stages_.truncation, stages_.padding);
    reader.finish();
    reader.demand(stages_.decoder.is_plain_bytes() || (is_utf8(stages_.pieces.text()) && !stages_.pieces.cuts_characters()),
                  "has a piece that isn't UTF-8");
    reader.demand(bytes_.size() == (stages_.decoder.is_plain_bytes() ? pieces : 0), "lacks the bytes of its pieces");
    stages_.text_bytes = std::min<std::size_t>(limits.text_bytes, std::numeric_limits<std::int32_t>::max());
    mark_special();
  }
  void save(CompiledWriter& writer) const {
    if (!stages_.decoder.is_plain_bytes()) writer.demand_utf8(stages_.pieces.text());
    writer(stages_.pieces, bytes_);
    stages_.normalizer.save(writer);
    const std::span<const AddedToken> added = stages_.added.tokens();
    writer(std::vector<AddedToken>(added.begin(), added.end()));
    stages_.pre_tokenizer.save(writer);
    stages_.model->save(writer);
    stages_.decoder.save(writer);
    writer(stages_.post_processor, stages_.silent);
    length_fields(writer, stages_.truncation, stages_.padding);
  }

  using Tokenizer::encode;
  [[nodiscard]] std::vector<Token> encode(std::span<const TextPart> parts) const override {
    return encode(Input(parts, stages_.text_bytes));
  }
  [[nodiscard]] std::vector<Token> encode(std::string_view text, Specials specials) const override {
    return encode(Input(text, specials, stages_.text_bytes));
  }
  void encode_each(std::span<const std::string_view> texts, Specials specials, std::vector<Token>* results) const;
  [[nodiscard]] Encoding encode(const EncodeInput& input, const EncodeOptions& options) const override;
  [[nodiscard]] std::string decode(std::span<const Token> tokens, Specials specials) const override;
  [[nodiscard]] std::unique_ptr<Stream> stream(Specials specials) const override;
  [[nodiscard]] std::size_t vocab_size() const noexcept override { return stages_.pieces.size(); }
  [[nodiscard]] std::string piece(Token token) const override {
    check(token);
    return std::string(stages_.pieces[token]);
  }
  [[nodiscard]] std::optional<Token> find(std::string_view piece) const override {
    const Token id = stages_.pieces.find(piece);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  [[nodiscard]] bool is_special(Token token) const override {
    check(token);
    return special_[static_cast<std::size_t>(token)];
  }

 private:
  class PieceStream;

  // What a call needs for its length: its storage, and what the encoder has learned, serve the next one.
  struct alignas(128) Workplace {  // apart from what other threads write to
    std::unique_ptr<Model::Encoder> encoder;
    std::vector<Token> ids;  // for whom wants them all at once
    std::vector<Stretch> raw, normal;
    Words words;
  };
  [[nodiscard]] std::unique_ptr<Workplace> take_workplace() const {
    auto place = workplaces_.take();
    if (place == nullptr) {
      place = std::make_unique<Workplace>();
      place->encoder = stages_.model->start();
      // Larger blocks than they need mostly: small ones would share cache lines with those of other threads.
      place->raw.reserve(64);
      place->normal.reserve(64);
    }
    place->ids.clear();
    return place;
  }
  // Not after an error: who knows what it has left half done.
  void leave_workplace(std::unique_ptr<Workplace> place) const {
    place->encoder->end();
    give_back(place->ids);
    give_back(place->raw);
    give_back(place->normal);
    give_back(place->words.ranges);
    give_back(place->words.changed);
    give_back(place->words.source);
    workplaces_.leave(std::move(place));
  }

  void add_pieces() {
    PieceTable& pieces = stages_.pieces;
    for (const AddedToken& token : stages_.added.tokens()) {
      if (static_cast<std::size_t>(token.id) >= pieces.size()) pieces.resize(static_cast<std::size_t>(token.id) + 1);
      if (pieces.has(token.id) && pieces[token.id] == token.content) continue;
      pieces.set(token.id, token.content);
      pieces.index(token.id);
    }
  }

  void mark_special() {
    special_.resize(stages_.pieces.size());
    hidden_.resize(stages_.pieces.size());
    silent_.resize(stages_.pieces.size());
    for (const Token id : stages_.silent) silent_[static_cast<std::size_t>(id)] = true;
    std::unordered_set<std::string_view> contents;
    for (const AddedToken& token : stages_.added.tokens()) {
      special_[static_cast<std::size_t>(token.id)] = token.special;
      if (token.special) contents.insert(token.content);
    }
    // Hugging Face tells what is left out by the text that it would decode: a token that its normalizer changes, isn't.
    for (std::size_t i = 0; i < stages_.added.tokens().size(); ++i) {
      const AddedToken& token = stages_.added.tokens()[i];
      const std::string_view form = stages_.added.matched_form(i);
      hidden_[static_cast<std::size_t>(token.id)] = contents.contains(form);
      if (form != token.content) forms_.emplace(token.id, form);
    }
  }

  void fill_bytes() {
    if (!stages_.decoder.is_plain_bytes()) return;
    const PieceTable& pieces = stages_.pieces;
    bytes_.resize(pieces.size());
    for (Token id = 0; id < static_cast<Token>(pieces.size()); ++id) {
      if (pieces.has(id)) bytes_.set(id, Decoder::bytes_of(text_of(id)));
    }
    for (const Token id : stages_.verbatim) bytes_.set(id, text_of(id));
  }

  void check(Token token) const {
    if (token >= 0 && static_cast<std::size_t>(token) < stages_.pieces.size()) return;
    throw Error(ErrorCode::kInvalidArgument,
                "id " + std::to_string(token) + " is outside of the vocabulary, 0 to " +
                    std::to_string(static_cast<std::int64_t>(stages_.pieces.size()) - 1),
                "tokens", "use the tokenizer that the model was trained with");
  }

  /// What the decoder sees of an id.
  [[nodiscard]] std::string_view text_of(Token id) const {
    if (!forms_.empty()) {
      if (const auto form = forms_.find(id); form != forms_.end()) return form->second;
    }
    return stages_.pieces[id];
  }
  /// Whether an id has text in a sequence that is decoded so.
  [[nodiscard]] bool has_text(Token id, Specials specials) const {
    return stages_.pieces.has(id) && !silent_[static_cast<std::size_t>(id)] && !(specials == Specials::kAsText && hidden_[static_cast<std::size_t>(id)]);
  }

  // Calls take(ids) for the ids of one batch of words after another, which it may clear.
  template <typename Take>
  void encode_text(const Input& input, Workplace& place, std::vector<Token>& ids, Take&& take) const;
  [[nodiscard]] std::vector<Token> encode(const Input& input) const;
  [[nodiscard]] std::vector<Token> encode(const Input& input, Workplace& place) const;
  [[nodiscard]] Draft draft(const Input& input, bool second, bool traced) const;
  void trace(const Input& input, Draft& draft) const;

  std::shared_ptr<const void> owner_;  // of tables that lie in a file
  Stages stages_;
  std::vector<bool> special_, hidden_, silent_;
  std::unordered_map<Token, std::string_view> forms_;  // of added tokens that the normalizer changes
  PieceTable bytes_;                                   // of each id, if the decoder makes plain bytes
  mutable Spares<Workplace> workplaces_;
};

template <typename Take>
void StagedTokenizer::encode_text(const Input& input, Workplace& place, std::vector<Token>& ids, Take&& take) const {
  const auto& [normalizer, added, pre_tokenizer, model, post_processor, decoder, pieces, truncation, padding, most, verbatim,
               silent] = stages_;
  const std::string_view text = input.text();
  const Authors& authors = input.authors();
  auto& [encoder, unused, raw, normal, words] = place;
  encoder->begin(text.size());
  raw.clear();
  added.find_raw(text, authors, raw);
  for (const Stretch& stretch : raw) {
    if (stretch.token != nullptr) {
      ids.push_back(stretch.token->id);
      continue;
    }
    std::string_view part = text.substr(stretch.range.begin, stretch.range.size());
    NormalizedText normalized;
    const bool changed = !normalizer.leaves(part);
    const bool first_may_move = changed && stretch.range.begin == 0 && normalizer.may_drop_start();
    const bool traced = pre_tokenizer.needs_trace() || (pre_tokenizer.asks_for_start() && first_may_move);
    if (changed || traced) {
      normalized = NormalizedText::of(part, authors.is_mixed() ? Trace::kAuthors : traced ? Trace::kOffsets : Trace::kNone,
                                      stretch.range.begin);
      if (changed) normalizer.apply(normalized);
      part = normalized.text;
    }
    normal.clear();
    added.find_normalized(part, normalized.source, stretch.range.begin, authors, normal);
    for (const Stretch& piece : normal) {
      if (piece.token != nullptr) {
        ids.push_back(piece.token->id);
        continue;
      }
      if (traced) {
        pre_tokenizer.split_traced(normalized, piece.range, words);
        encoder->encode(words.text, words.ranges, ids);
        take(ids);
        continue;
      }
      const std::string_view stretch_text = part.substr(piece.range.begin, piece.range.size());
      const bool at_start = stretch.range.begin == 0 && piece.range.begin == 0;
      for (std::size_t done = 0; done < stretch_text.size();) {
        done = pre_tokenizer.split(stretch_text, done, at_start, words);
        encoder->encode(words.text, words.ranges, ids);
        take(ids);
      }
    }
  }
}

std::vector<Token> StagedTokenizer::encode(const Input& input, Workplace& place) const {
  constexpr std::size_t kShort = 16384;  // bytes of a text whose ids are copied, into memory of just the right size
  const std::size_t size = input.text().size();
  std::vector<Token> ids;
  if (size == 0) return ids;
  if (size > kShort) ids.reserve(size / 4 + 16);
  std::vector<Token>& out = size > kShort ? ids : place.ids;
  out.clear();
  encode_text(input, place, out, [](const std::vector<Token>&) {});
  if (size <= kShort) ids = out;
  return ids;
}

std::vector<Token> StagedTokenizer::encode(const Input& input) const {
  auto place = take_workplace();
  std::vector<Token> ids = encode(input, *place);
  leave_workplace(std::move(place));
  return ids;
}

void StagedTokenizer::encode_each(std::span<const std::string_view> texts, Specials specials,
                                  std::vector<Token>* results) const {
  auto place = take_workplace();
  for (const std::string_view text : texts) *results++ = encode(Input(text, specials, stages_.text_bytes), *place);
  leave_workplace(std::move(place));
}

// The same as encode_text(), with everything about every token.
void StagedTokenizer::trace(const Input& input, Draft& draft) const {
  const std::string_view text = input.text();
  const Authors& authors = input.authors();
  const bool counts_blanks = stages_.post_processor.trims();
  auto workplace = take_workplace();
  auto& [encoder, ids, raw, normal, words] = *workplace;
  encoder->begin(text.size());
  raw.clear();
  std::vector<Range> places;
  std::int32_t word_number = 0;
  const auto put = [&](Token id, Range offsets, std::string_view piece) {
    DraftToken& token = draft.tokens.emplace_back();
    token.id = id;
    token.offsets = offsets;
    token.word = word_number;
    if (counts_blanks) count_blanks(piece, token);
  };
  stages_.added.find_raw(text, authors, raw);
  for (const Stretch& stretch : raw) {
    const std::string_view part = text.substr(stretch.range.begin, stretch.range.size());
    if (stretch.token != nullptr) {
      put(stretch.token->id, stretch.range, part);
      ++word_number;
      continue;
    }
    // Where nothing has changed the text, a place in it is a place in the original; no byte needs to remember its own.
    const bool changed = !stages_.normalizer.leaves(part);
    NormalizedText normalized;
    const auto remember = [&] { normalized = NormalizedText::of(part, Trace::kOffsets, stretch.range.begin); };
    if (changed) {
      remember();
      stages_.normalizer.apply(normalized);
    }
    const std::string_view current = changed ? normalized.text : part;
    const auto original = [&](Range range) {  // of bytes of `part`
      while (!ends_character(part, range.begin)) --range.begin;
      while (!ends_character(part, range.end)) ++range.end;
      return Range{stretch.range.begin + range.begin, stretch.range.begin + range.end};
    };
    std::vector<Range> sources;
    if (changed && authors.is_mixed()) {
      NormalizedText by_author = NormalizedText::of(part, Trace::kAuthors, stretch.range.begin);
      stages_.normalizer.apply(by_author);
      sources = std::move(by_author.source);
    }
    normal.clear();
    stages_.added.find_normalized(current, sources, stretch.range.begin, authors, normal);
    for (const Stretch& piece : normal) {
      if (piece.token != nullptr) {
        put(piece.token->id,
            changed ? Range{normalized.source[piece.range.begin].begin, normalized.source[piece.range.end - 1].end}
                    : original(piece.range),
            current.substr(piece.range.begin, piece.range.size()));
        ++word_number;
        continue;
      }
      const auto put_words = [&](auto&& source_of) {
        for (const Range& word : words.ranges) {
          ids.clear();
          places.clear();
          encoder->encode_word(words.text.substr(word.begin, word.size()), ids, places);
          for (std::size_t i = 0; i < ids.size(); ++i) {
            const Range place = places[i];
            const bool inside = place.end <= word.size();  // else byte fallback has spelled an affix: no place at all
            put(ids[i], inside ? source_of(Range{word.begin + place.begin, word.begin + place.end}) : place, stages_.pieces[ids[i]]);
          }
          ++word_number;
        }
      };
      const std::string_view stretch_text = current.substr(piece.range.begin, piece.range.size());
      bool as_it_was = !changed && !stages_.pre_tokenizer.needs_trace();
      for (std::size_t done = 0; as_it_was && done < stretch_text.size();) {
        done = stages_.pre_tokenizer.split(stretch_text, done, stretch.range.begin == 0 && piece.range.begin == 0, words);
        as_it_was = words.text.data() == stretch_text.data();  // else a step has changed it, all of it at once
        if (as_it_was) put_words([&](Range range) { return original({piece.range.begin + range.begin, piece.range.begin + range.end}); });
      }
      if (as_it_was) continue;
      if (!changed && normalized.text.empty()) remember();
      stages_.pre_tokenizer.split_traced(normalized, piece.range, words);
      put_words([&](Range range) { return Range{words.source[range.begin].begin, words.source[range.end - 1].end}; });
    }
  }
  leave_workplace(std::move(workplace));
}

Draft StagedTokenizer::draft(const Input& input, bool second, bool traced) const {
  Draft result;
  result.text = input.text();
  if (result.text.empty()) return result;
  if (traced) {
    trace(input, result);
  } else {
    auto place = take_workplace();
    encode_text(input, *place, place->ids, [](const std::vector<Token>&) {});
    result.tokens.reserve(place->ids.size() + 2);
    for (const Token id : place->ids) result.tokens.push_back({.id = id});
    leave_workplace(std::move(place));
  }
  for (DraftToken& token : result.tokens) {
    token.second = second;
    token.type_id = second ? 1 : 0;
  }
  return result;
}

Encoding StagedTokenizer::encode(const EncodeInput& input, const EncodeOptions& options) const {
  const bool traced = (options.fields & (kOffsets | kWords)) != 0;
  std::optional<Truncation> truncation = options.truncation;
  std::optional<Padding> padding = options.padding;
  if (options.as_file_says) {
    if (!truncation) truncation = stages_.truncation;
    if (!padding) padding = stages_.padding;
  }
  const std::size_t added = options.add_special_tokens ? stages_.post_processor.added(input.second.has_value()) : 0;
  if (options.fields == 0 && !truncation && !padding && !input.second && added == 0) {
    Encoding result;
    const Input text(input.text, stages_.text_bytes);
    if (text.text().empty()) return result;
    auto place = take_workplace();
    encode_text(text, *place, place->ids, [&](std::vector<Token>& batch) {
      result.size += batch.size();
      batch.clear();
    });
    result.size += place->ids.size();
    leave_workplace(std::move(place));
    return result;
  }

  const Input first(input.text, stages_.text_bytes);
  std::optional<Input> second;
  Draft first_draft = draft(first, false, traced);
  std::optional<Draft> second_draft;
  if (input.second) second_draft = draft(second.emplace(*input.second, stages_.text_bytes), true, traced);
  if (truncation) {
    if (truncation->max_tokens < added) {
      throw Error(ErrorCode::kInvalidArgument,
                  "at most " + std::to_string(truncation->max_tokens) + " tokens, but special ones alone are " +
                      std::to_string(added),
                  "truncation", "allow more tokens, or leave special ones out");
    }
    truncation->max_tokens -= added;
    truncate(first_draft, second_draft ? &*second_draft : nullptr, *truncation);
  }
  Draft whole = stages_.post_processor.process(std::move(first_draft), std::move(second_draft),
                                               options.add_special_tokens);
  // Only now, for trimming looks at the text that the offsets are places in.
  first.restore(whole, false);
  if (second) second->restore(whole, true);
  if (padding) pad(whole, padded_length(whole.tokens.size(), *padding), *padding);
  return to_encoding(std::move(whole), options.fields);
}

std::string StagedTokenizer::decode(std::span<const Token> tokens, Specials specials) const {
  if (stages_.decoder.is_plain_bytes()) {
    std::size_t size = 0;
    for (const Token token : tokens) {
      check(token);
      if (has_text(token, specials)) size += bytes_[token].size();
    }
    std::string text(size + PieceTable::kCopyMargin, '\0');
    char* out = text.data();
    for (const Token token : tokens) {
      if (has_text(token, specials)) out = bytes_.copy(token, out);
    }
    text.resize(size);
    return valid_utf8_prefix(text) == text.size() ? text : repair_utf8(text);
  }
  for (const Token token : tokens) check(token);
  Decoder::Run run(stages_.decoder);
  for (const Token token : tokens) {
    if (has_text(token, specials)) {
      run.push(text_of(token));
    } else {
      run.gap();
    }
  }
  run.finish();
  return run.take();
}

class StagedTokenizer::PieceStream : public Tokenizer::Stream {
 public:
  PieceStream(const StagedTokenizer& tokenizer, Specials specials)
      : tokenizer_(tokenizer), specials_(specials), of_bytes_(tokenizer.stages_.decoder.is_plain_bytes()),
        run_(of_bytes_ ? Decoder::Run::of_bytes() : Decoder::Run(tokenizer.stages_.decoder)) {}
  [[nodiscard]] std::string push(Token token) override {
    tokenizer_.check(token);
    if (tokenizer_.has_text(token, specials_)) {
      run_.push(of_bytes_ ? tokenizer_.bytes_[token] : tokenizer_.text_of(token));
    } else {
      run_.gap();
    }
    return run_.take();
  }
  [[nodiscard]] std::string finish() override {
    run_.finish();
    return run_.take();
  }

 private:
  const StagedTokenizer& tokenizer_;
  Specials specials_;
  bool of_bytes_;
  Decoder::Run run_;
};

std::unique_ptr<Tokenizer::Stream> StagedTokenizer::stream(Specials specials) const {
  return std::make_unique<PieceStream>(*this, specials);
}

}  // namespace

std::unique_ptr<const Tokenizer> make_tokenizer(Stages stages) {
  return std::make_unique<StagedTokenizer>(std::move(stages));
}

void encode_each(const Tokenizer& tokenizer, std::span<const std::string_view> texts, Specials specials,
                 std::vector<Token>* results) {
  if (const auto* staged = dynamic_cast<const StagedTokenizer*>(&tokenizer)) {
    return staged->encode_each(texts, specials, results);
  }
  for (std::size_t i = 0; i < texts.size(); ++i) results[i] = tokenizer.encode(texts[i], specials);
}

std::unique_ptr<const Tokenizer> parse_compiled(std::shared_ptr<const void> owner, std::string_view bytes,
                                                std::string_view name, const TokenizerLimits& limits) {
  constexpr std::size_t kAligned = alignof(std::uint64_t);
  if (owner == nullptr || reinterpret_cast<std::uintptr_t>(bytes.data()) % kAligned != 0) {
    auto copy = std::make_shared<std::vector<std::uint64_t>>((bytes.size() + kAligned - 1) / kAligned);
    std::memcpy(copy->data(), bytes.data(), bytes.size());
    bytes = {reinterpret_cast<const char*>(copy->data()), bytes.size()};
    owner = std::move(copy);
  }
  CompiledReader reader(bytes, std::string(name));
  try {
    return std::make_unique<StagedTokenizer>(reader, std::move(owner), limits);
  } catch (const Error& error) {
    // A normalizer's, on an added token.
    if (!error.where().empty() && error.where().starts_with(name)) throw;
    throw Error(error.code(), error.message(), std::string(name), error.fix());
  }
}

}  // namespace weft::tokenizer

namespace weft {

std::string compile_tokenizer(const Tokenizer& tokenizer) {
  const auto* staged = dynamic_cast<const tokenizer::StagedTokenizer*>(&tokenizer);
  if (staged == nullptr) {
    throw Error(ErrorCode::kUnsupported, "a tokenizer of a class of one's own can't be compiled", "tokenizer",
                "give one that load_tokenizer() made");
  }
  tokenizer::CompiledWriter writer;
  staged->save(writer);
  return tokenizer::seal_compiled(std::move(writer).take());
}

}  // namespace weft
