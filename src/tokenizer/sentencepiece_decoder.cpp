#include "sentencepiece_decoder.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "sentencepiece_model.h"
#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSpace = "\u2581";
constexpr std::string_view kReplacement = "\uFFFD";

class Step : public DecoderStep {
 public:
  explicit Step(const SentencePieceDecoding& decoding) : decoding_(decoding) {}

  void push(std::string_view piece) override {
    if (decoding_.has_bytes) {
      if (const int byte = byte_of_piece(piece); byte >= 0) {
        bytes_ += static_cast<char>(byte);
        flush_bytes(false);
        return;
      }
    }
    gap();
    if (decoding_.control.contains(std::string(piece))) {
      put(piece);
      at_start_ = true;
      empty_ = true;
    } else if (piece == decoding_.unknown) {
      put(decoding_.unknown_surface);
    } else {
      put_text(piece);
    }
  }
  void gap() override {
    flush_bytes(true);
    if (space_stripped_ || !empty_) at_start_ = false;
    space_stripped_ = false;
  }
  void finish() override {
    flush_bytes(true);
    at_start_ = empty_ = true;
    space_stripped_ = false;
    next().finish();
  }

 private:
  void put(std::string_view text) {
    if (text.empty()) return;
    empty_ = false;
    next().push(text);
  }

  void put_text(std::string_view piece) {
    if (at_start_ && decoding_.strips_first_space && piece.starts_with(kSpace)) {
      piece.remove_prefix(kSpace.size());
      space_stripped_ = !decoding_.strips_all_spaces;
    }
    for (std::size_t pos = 0; pos < piece.size();) {
      const std::size_t space = std::min(piece.find(kSpace, pos), piece.size());
      put(piece.substr(pos, space - pos));
      if (space < piece.size()) put(" ");
      pos = space + kSpace.size();
    }
  }

  // One U+FFFD for each byte that is no part of a character, not for each ill-formed subsequence.
  void flush_bytes(bool all) {
    while (!bytes_.empty()) {
      const Utf8Step step = step_utf8(bytes_);
      if (step.well_formed) {
        put(std::string_view(bytes_).substr(0, step.length));
      } else if (!all && step.length == bytes_.size() && is_start(bytes_)) {
        return;
      } else {
        for (unsigned i = 0; i < step.length; ++i) put(kReplacement);
      }
      bytes_.erase(0, step.length);
    }
  }
  // Whether ill-formed `bytes` may become a character if more follow.
  static bool is_start(std::string_view bytes) {
    const auto first = static_cast<unsigned char>(bytes[0]);
    return first >= 0xC2 && first <= 0xF4;
  }

  const SentencePieceDecoding& decoding_;
  std::string bytes_;
  bool at_start_ = true;
  bool empty_ = true;  // nothing came out since the start
  bool space_stripped_ = false;
};

// Changes the text as a whole, once it is complete.
class Denormalizing : public DecoderStep {
 public:
  explicit Denormalizing(const SentencePieceNormalizer& normalizer) : normalizer_(normalizer) {}
  void push(std::string_view piece) override { text_ += piece; }
  void finish() override {
    const std::string text = std::exchange(text_, {});
    next().push(normalizer_.apply(valid_utf8_prefix(text) == text.size() ? text : repair_utf8(text)));
    next().finish();
  }

 private:
  const SentencePieceNormalizer& normalizer_;
  std::string text_;
};

class Factory : public Decoder::StepFactory {
 public:
  explicit Factory(std::shared_ptr<const SentencePieceDecoding> decoding) : decoding_(std::move(decoding)) {}
  [[nodiscard]] std::unique_ptr<DecoderStep> make() const override { return std::make_unique<Step>(*decoding_); }
  void save(CompiledWriter& writer) const override { writer(Decoder::Kind::kSentencePiece, *decoding_); }

 private:
  std::shared_ptr<const SentencePieceDecoding> decoding_;
};

class DenormalizingFactory : public Decoder::StepFactory {
 public:
  explicit DenormalizingFactory(std::shared_ptr<const SentencePieceNormalizer> normalizer)
      : normalizer_(std::move(normalizer)) {}
  [[nodiscard]] std::unique_ptr<DecoderStep> make() const override {
    return std::make_unique<Denormalizing>(*normalizer_);
  }
  void save(CompiledWriter& writer) const override { writer(Decoder::Kind::kDenormalizing, *normalizer_); }

 private:
  std::shared_ptr<const SentencePieceNormalizer> normalizer_;
};

}  // namespace

void add_sentencepiece_decoding(Decoder& decoder, SentencePieceDecoding decoding) {
  const auto denormalizer = decoding.denormalizer;
  decoder.add(std::make_unique<Factory>(std::make_shared<const SentencePieceDecoding>(std::move(decoding))));
  if (denormalizer) decoder.add(std::make_unique<DenormalizingFactory>(denormalizer));
}

std::unique_ptr<const Decoder::StepFactory> read_sentencepiece_decoding(CompiledReader& reader) {
  return std::make_unique<Factory>(std::make_shared<const SentencePieceDecoding>(reader.take<SentencePieceDecoding>()));
}

std::unique_ptr<const Decoder::StepFactory> read_sentencepiece_denormalizing(CompiledReader& reader) {
  return std::make_unique<DenormalizingFactory>(
      std::make_shared<const SentencePieceNormalizer>(reader.take<SentencePieceNormalizer>()));
}

}  // namespace weft::tokenizer
