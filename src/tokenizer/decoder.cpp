#include "decoder.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "byte_level.h"
#include "pre_tokenizer.h"
#include "rwkv.h"
#include "sentencepiece_decoder.h"
#include "split_patterns.h"
#include "utf8.h"

namespace weft::tokenizer {
namespace {

// Bytes that a step may make of a piece: one that grows stays small, for what many steps make of it grows exponentially.
std::size_t most_after(std::string_view piece) { return std::max(piece.size(), std::size_t{4} << 20); }

// `text` with `to` for each `from`, left to right; an empty `from` is found before, between and behind all characters.
std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t done = 0;
  const std::size_t most = most_after(text);
  if (from.empty()) {
    for (out += to; done < text.size(); out += to) {
      const unsigned length = decode_at(text, done).length;
      check_growth(out.size() + to.size(), most);
      out += text.substr(done, length);
      done += length;
    }
    return out;
  }
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    check_growth(out.size(), most);
    done = at + from.size();
  }
  return out.append(text, done);
}

// English as it was before it was taken apart at its punctuation.
std::string cleaned_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},     {" ?", "?"},     {" !", "!"},           {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) {
    if (text.find(from) != std::string::npos) text = replaced(text, from, to);
  }
  return text;
}

class JoinWithBlanks : public DecoderStep {
 public:
  void push(std::string_view piece) override {
    if (!first_) next().push(" ");
    first_ = false;
    next().push(piece);
  }
  void finish() override {
    first_ = true;
    next().finish();
  }

 private:
  bool first_ = true;
};

class ByteLevel : public BytesStep {
 public:
  ByteLevel() : BytesStep(Decoder::bytes_of) {}
};

class ByteFallback : public DecoderStep {
 public:
  void push(std::string_view piece) override {
    if (const int byte = byte_of(piece); byte >= 0) {
      bytes_ += static_cast<char>(byte);
      return;
    }
    emit();
    next().push(piece);
  }
  void finish() override {
    emit();
    next().finish();
  }

 private:
  // Rust's from_str_radix: two hexadecimal digits, or one behind a plus.
  static int byte_of(std::string_view piece) {
    if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    const int high = piece[3] == '+' ? 0 : digit(piece[3]), low = digit(piece[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
  }
  // A run of bytes is text only as a whole; else each byte is one U+FFFD.
  void emit() {
    if (bytes_.empty()) return;
    if (valid_utf8_prefix(bytes_) == bytes_.size()) {
      next().push(bytes_);
    } else {
      for (std::size_t i = 0; i < bytes_.size(); ++i) next().push("\uFFFD");
    }
    bytes_.clear();
  }
  std::string bytes_;
};

class ReplaceLiteral : public DecoderStep {
 public:
  ReplaceLiteral(const std::string& literal, const std::string& content) : literal_(literal), content_(content) {}
  void push(std::string_view piece) override {
    if (piece.find(literal_) == std::string_view::npos) {
      next().push(piece);
    } else {
      next().push(replaced(piece, literal_, content_));
    }
  }
  void finish() override { next().finish(); }

 private:
  const std::string& literal_;
  const std::string& content_;
};

class ReplaceRegex : public DecoderStep {
 public:
  ReplaceRegex(const Regex& pattern, const std::string& content) : pattern_(pattern), content_(content) {}
  void push(std::string_view piece) override {
    std::string out;
    std::size_t done = 0;
    if (!piece.empty()) {
      for (const Range& match : pattern_.find_all(piece)) {
        out.append(piece, done, match.begin - done).append(content_);
        check_growth(out.size(), most_after(piece));
        done = match.end;
      }
    }
    next().push(out.append(piece, done));
  }
  void finish() override { next().finish(); }

 private:
  const Regex& pattern_;
  const std::string& content_;
};

// Of each piece.
class Strip : public DecoderStep {
 public:
  Strip(const std::string& character, std::size_t start, std::size_t stop)
      : character_(character), start_(start), stop_(stop) {}
  void push(std::string_view piece) override {
    for (std::size_t i = 0; i < start_ && piece.starts_with(character_); ++i) piece.remove_prefix(character_.size());
    for (std::size_t i = 0; i < stop_ && piece.ends_with(character_); ++i) piece.remove_suffix(character_.size());
    next().push(piece);
  }
  void finish() override { next().finish(); }

 private:
  const std::string& character_;
  std::size_t start_, stop_;
};

// Of all of a text that comes in pieces.
class StripText : public DecoderStep {
 public:
  StripText(const std::string& character, std::size_t start, std::size_t stop)
      : character_(character), start_(start), stop_(stop) {}
  void push(std::string_view text) override {
    while (cut_ < start_ && text.starts_with(character_)) text.remove_prefix(character_.size()), ++cut_;
    if (text.empty()) return;
    cut_ = start_;
    std::string_view settled = text;
    std::size_t ending = 0;
    while (ending < stop_ && settled.ends_with(character_)) settled.remove_suffix(character_.size()), ++ending;
    if (!settled.empty()) {
      release(0);
      held_ = ending;
      next().push(settled);
    } else {
      held_ += ending + (text.size() - ending * character_.size()) / character_.size();
      release(stop_);
    }
  }
  void finish() override {
    release(stop_);
    held_ = cut_ = 0;
    next().finish();
  }

 private:
  void release(std::size_t keep) {
    for (; held_ > keep; --held_) next().push(character_);
  }
  const std::string& character_;
  std::size_t start_, stop_;
  std::size_t cut_ = 0;   // of the start
  std::size_t held_ = 0;  // at the end
};

class MetaspaceStep : public DecoderStep {
 public:
  MetaspaceStep(const std::string& replacement, bool drop_first) : replacement_(replacement), drop_first_(drop_first) {}
  void push(std::string_view piece) override {
    const std::string_view blank = first_ && drop_first_ ? "" : " ";
    first_ = false;
    if (piece.find(replacement_) == std::string_view::npos) {
      next().push(piece);
    } else {
      next().push(replaced(piece, replacement_, blank));
    }
  }
  void finish() override {
    first_ = true;
    next().finish();
  }

 private:
  const std::string& replacement_;
  bool drop_first_, first_ = true;
};

class WordPieceStep : public DecoderStep {
 public:
  WordPieceStep(const std::string& prefix, bool cleanup) : prefix_(prefix), cleanup_(cleanup) {}
  void push(std::string_view piece) override {
    std::string text;
    if (!first_ && piece.starts_with(prefix_)) {
      text = piece.substr(prefix_.size());
    } else {
      if (!first_) text = ' ';
      text += piece;
    }
    first_ = false;
    next().push(cleanup_ ? cleaned_up(std::move(text)) : text);
  }
  void finish() override {
    first_ = true;
    next().finish();
  }

 private:
  const std::string& prefix_;
  bool cleanup_, first_ = true;
};

class BpeStep : public DecoderStep {
 public:
  explicit BpeStep(const std::string& suffix) : suffix_(suffix) {}
  void push(std::string_view piece) override {
    emit(" ");
    held_ = piece;
  }
  void finish() override {
    emit("");
    held_.reset();
    next().finish();
  }

 private:
  void emit(std::string_view blank) {
    if (held_) next().push(replaced(*held_, suffix_, blank));
  }
  const std::string& suffix_;
  std::optional<std::string> held_;
};

class CtcStep : public DecoderStep {
 public:
  CtcStep(const std::string& pad, const std::string& delimiter, bool cleanup)
      : pad_(pad), delimiter_(delimiter), cleanup_(cleanup) {}
  void push(std::string_view piece) override {
    if (last_ == piece) return;
    last_ = piece;
    std::string text = replaced(piece, pad_, "");
    if (cleanup_) text = replaced(cleaned_up(std::move(text)), delimiter_, " ");
    if (!text.empty()) next().push(text);
  }
  void finish() override {
    last_.reset();
    next().finish();
  }

 private:
  const std::string& pad_;
  const std::string& delimiter_;
  bool cleanup_;
  std::optional<std::string> last_;
};

// Makes one piece of all, at the end: what comes behind it looks at the whole text.
class Gather : public DecoderStep {
 public:
  void push(std::string_view piece) override { text_ += piece; }
  void finish() override {
    next().push(text_);
    text_.clear();
    next().finish();
  }

 private:
  std::string text_;
};

// Makes steps of one class, which are lent these arguments.
template <Decoder::Kind kind, typename Step, typename... Arguments>
class Factory : public Decoder::StepFactory {
 public:
  explicit Factory(Arguments... arguments) : arguments_(std::move(arguments)...) {}
  [[nodiscard]] std::unique_ptr<DecoderStep> make() const override {
    return std::apply([](const auto&... arguments) { return std::make_unique<Step>(arguments...); }, arguments_);
  }
  void save(CompiledWriter& writer) const override {
    std::apply([&](const auto&... arguments) { writer(kind, arguments...); }, arguments_);
  }
  static std::unique_ptr<const Decoder::StepFactory> read(CompiledReader& reader) {
    std::tuple<Arguments...> arguments;
    std::apply([&](auto&... each) { reader(each...); }, arguments);
    if constexpr (kind == Decoder::Kind::kStrip || kind == Decoder::Kind::kStripText) {
      reader.demand(!std::get<0>(arguments).empty(), "strips nothing");
    }
    return std::apply([](auto&... each) { return std::make_unique<Factory>(std::move(each)...); }, arguments);
  }

 private:
  std::tuple<Arguments...> arguments_;
};

using Kind = Decoder::Kind;
using ByteLevelFactory = Factory<Kind::kByteLevel, ByteLevel>;
using ByteFallbackFactory = Factory<Kind::kByteFallback, ByteFallback>;
using ReplaceLiteralFactory = Factory<Kind::kReplaceLiteral, ReplaceLiteral, std::string, std::string>;
using ReplaceRegexFactory = Factory<Kind::kReplaceRegex, ReplaceRegex, Regex, std::string>;
using StripFactory = Factory<Kind::kStrip, Strip, std::string, std::size_t, std::size_t>;
using StripTextFactory = Factory<Kind::kStripText, StripText, std::string, std::size_t, std::size_t>;
using MetaspaceFactory = Factory<Kind::kMetaspace, MetaspaceStep, std::string, bool>;
using WordPieceFactory = Factory<Kind::kWordPiece, WordPieceStep, std::string, bool>;
using BpeFactory = Factory<Kind::kBpe, BpeStep, std::string>;
using CtcFactory = Factory<Kind::kCtc, CtcStep, std::string, std::string, bool>;
using GatherFactory = Factory<Kind::kGather, Gather>;

}  // namespace

void BytesStep::push(std::string_view piece) {
  held_ += bytes_of_(piece);
  emit(false);
}

void BytesStep::finish() {
  emit(true);
  next().finish();
}

void BytesStep::emit(bool all) {
  // Whether `bytes`, an ill-formed subsequence, are the start of a character.
  const auto may_go_on = [](std::string_view bytes) {
    const auto first = static_cast<unsigned char>(bytes[0]);
    return first >= 0xC2 && first <= 0xF4;
  };
  std::string out;
  std::size_t pos = 0;
  while (pos < held_.size()) {
    const std::string_view rest = std::string_view(held_).substr(pos);
    const std::size_t good = valid_utf8_prefix(rest);
    if (good != 0) {
      out += rest.substr(0, good);
      pos += good;
      continue;
    }
    const Utf8Step step = step_utf8(rest);
    if (!all && step.length == rest.size() && step.length < 4 && may_go_on(rest)) break;
    out += "\uFFFD";
    pos += step.length;
  }
  held_.erase(0, pos);
  if (!out.empty()) next().push(out);
}

Decoder::Decoder() = default;
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

// A step behind Fuse or ByteLevel sees one piece. Of a text that comes in stretches, few can make do with these.
void Decoder::gather() {
  plain_bytes_ = false;
  if (fused_) add(std::make_unique<GatherFactory>());
  fused_ = false;
}

void Decoder::add(std::unique_ptr<const StepFactory> factory) {
  no_decoder_ = plain_bytes_ = false;
  factories_.push_back(std::move(factory));
}

void Decoder::add_byte_level() {
  gather();
  const bool first = factories_.empty();
  add(std::make_unique<ByteLevelFactory>());
  plain_bytes_ = first;
  fused_ = true;
}
void Decoder::add_byte_fallback() {
  gather();
  add(std::make_unique<ByteFallbackFactory>());
}
void Decoder::add_fuse() {
  no_decoder_ = false;
  fused_ = true;  // pieces are joined in the end; what matters is how steps behind this see them
}
void Decoder::add_replace(std::string literal, std::string content) {
  // A single character can't lie across two stretches.
  const bool one_character = decode_at(literal, 0).length == literal.size();
  if (!one_character) gather();
  add(std::make_unique<ReplaceLiteralFactory>(std::move(literal), std::move(content)));
}
void Decoder::add_replace(Regex pattern, std::string content) {
  gather();
  add(std::make_unique<ReplaceRegexFactory>(std::move(pattern), std::move(content)));
}
void Decoder::add_strip(std::string character, std::size_t start, std::size_t stop) {
  if (fused_) {
    add(std::make_unique<StripTextFactory>(std::move(character), start, stop));
  } else {
    add(std::make_unique<StripFactory>(std::move(character), start, stop));
  }
}
void Decoder::add_metaspace(std::string replacement, bool drop_first) {
  gather();
  add(std::make_unique<MetaspaceFactory>(std::move(replacement), drop_first));
}
void Decoder::add_word_piece(std::string prefix, bool cleanup) {
  gather();
  add(std::make_unique<WordPieceFactory>(std::move(prefix), cleanup));
}
void Decoder::add_bpe(std::string suffix) {
  gather();
  add(std::make_unique<BpeFactory>(std::move(suffix)));
}
void Decoder::add_ctc(std::string pad, std::string word_delimiter, bool cleanup) {
  gather();
  add(std::make_unique<CtcFactory>(std::move(pad), std::move(word_delimiter), cleanup));
}

void Decoder::save(CompiledWriter& writer) const {
  writer(no_decoder_, plain_bytes_, factories_.size());
  for (const auto& factory : factories_) factory->save(writer);
}

Decoder Decoder::read(CompiledReader& reader) {
  Decoder result;
  bool no_decoder = false, plain_bytes = false;
  std::size_t steps = 0;
  reader(no_decoder, plain_bytes, steps);
  const auto read_one = [&]() -> std::unique_ptr<const StepFactory> {
    switch (reader.take<Kind>()) {
      case Kind::kByteLevel: return ByteLevelFactory::read(reader);
      case Kind::kByteFallback: return ByteFallbackFactory::read(reader);
      case Kind::kReplaceLiteral: return ReplaceLiteralFactory::read(reader);
      case Kind::kReplaceRegex: return ReplaceRegexFactory::read(reader);
      case Kind::kStrip: return StripFactory::read(reader);
      case Kind::kStripText: return StripTextFactory::read(reader);
      case Kind::kMetaspace: return MetaspaceFactory::read(reader);
      case Kind::kWordPiece: return WordPieceFactory::read(reader);
      case Kind::kBpe: return BpeFactory::read(reader);
      case Kind::kCtc: return CtcFactory::read(reader);
      case Kind::kGather: return GatherFactory::read(reader);
      case Kind::kSentencePiece: return read_sentencepiece_decoding(reader);
      case Kind::kRwkv: return make_rwkv_decoding();
      case Kind::kDenormalizing: break;
    }
    return read_sentencepiece_denormalizing(reader);
  };
  for (; steps > 0; --steps) result.add(read_one());
  result.no_decoder_ = no_decoder;
  result.plain_bytes_ = plain_bytes;
  return result;
}

std::string Decoder::bytes_of(std::string_view piece) {
  if (auto bytes = from_byte_level(piece)) return *std::move(bytes);
  return std::string(piece);
}

class Decoder::Run::Output : public DecoderStep {
 public:
  void push(std::string_view piece) override { text += piece; }
  void finish() override {}
  std::string text;
};

Decoder::Run::Run() : output_(std::make_unique<Output>()), first_(output_.get()) {}

Decoder::Run::Run(const Decoder& decoder) : Run() {
  for (const auto& factory : decoder.factories_) steps_.push_back(factory->make());
  if (decoder.no_decoder_) steps_.push_back(std::make_unique<JoinWithBlanks>());
  connect();
}

Decoder::Run Decoder::Run::of_bytes() {
  Run run;
  run.steps_.push_back(std::make_unique<BytesStep>([](std::string_view bytes) { return std::string(bytes); }));
  run.connect();
  return run;
}

void Decoder::Run::connect() {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    steps_[i]->set_next(i + 1 < steps_.size() ? steps_[i + 1].get() : output_.get());
  }
  if (!steps_.empty()) first_ = steps_.front().get();
}
Decoder::Run::Run(Run&&) noexcept = default;
Decoder::Run::~Run() = default;

std::string Decoder::Run::take() { return std::exchange(output_->text, {}); }

namespace {

void read_steps(const JsonValue& json, Decoder& steps) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    const JsonValue list = json.at("decoders").expect_array();
    for (const auto& [key, step] : list) read_steps(step, steps);
    if (list.size() == 0) steps.add_nothing();
  } else if (type == "ByteLevel") {
    steps.add_byte_level();
  } else if (type == "ByteFallback") {
    steps.add_byte_fallback();
  } else if (type == "Fuse") {
    steps.add_fuse();
  } else if (type == "Replace") {
    std::string content(json.at("content").string());
    if (const auto literal = read_literal(json.at("pattern"))) {
      steps.add_replace(std::string(*literal), std::move(content));
    } else {
      steps.add_replace(read_pattern(json.at("pattern")), std::move(content));
    }
  } else if (type == "Strip") {
    constexpr std::size_t kMost = std::size_t{1} << 31;
    steps.add_strip(read_character(json.at("content")), json.at("start").integer(kMost), json.at("stop").integer(kMost));
  } else if (type == "Metaspace") {
    Metaspace metaspace = read_metaspace(json);
    steps.add_metaspace(std::move(metaspace.replacement), metaspace.prepend != Metaspace::Prepend::kNever);
  } else if (type == "WordPiece") {
    steps.add_word_piece(std::string(json.at("prefix").string()), json.at("cleanup").boolean());
  } else if (type == "BPEDecoder") {
    steps.add_bpe(std::string(json.at("suffix").string()));
  } else if (type == "CTC") {
    steps.add_ctc(std::string(json.at("pad_token").string()), std::string(json.at("word_delimiter_token").string()),
                  json.at("cleanup").boolean());
  } else {
    type_value.fail("the decoder " + quoted(type) +
                        " is not supported; these are: BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, "
                        "Sequence, Strip, WordPiece",
                    ErrorCode::kUnsupported, "report the model");
  }
}

}  // namespace

Decoder read_decoder(const std::optional<JsonValue>& json) {
  Decoder steps;
  if (json) read_steps(*json, steps);
  return steps;
}

}  // namespace weft::tokenizer
