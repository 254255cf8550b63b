#include "rwkv.h"

#include <utility>

#include "weft/error.h"

namespace weft::tokenizer {
namespace {

int digit_of(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Rwkv : public Model {
 public:
  Rwkv(std::vector<PieceTrie::Entry> pieces, Token unknown) : pieces_(std::move(pieces)), unknown_(unknown) {}

  /// For a reader of compiled files.
  Rwkv() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.pieces_, self.unknown_);
  }
  void save(CompiledWriter& writer) const override { writer(Kind::kRwkv, *this); }
  [[nodiscard]] bool ids_below(std::size_t limit) const {
    return pieces_.values_below(limit) && unknown_ < static_cast<std::int64_t>(limit);
  }

  [[nodiscard]] std::unique_ptr<Model::Encoder> start() const override {
    return std::make_unique<WordByWord<Rwkv>>(*this);
  }
  void encode(std::string_view word, std::vector<Token>& ids, std::vector<Range>* places) const {
    for (std::size_t pos = 0; pos < word.size();) {
      const PieceTrie::Longest piece = pieces_.longest(word, pos);
      const bool fits = piece.value != PieceTrie::kValues;
      if (!fits && unknown_ < 0) {
        throw Error(ErrorCode::kUnsupported, "a byte is in no piece, and the model has no unknown token", "text",
                    "use a vocabulary with all bytes");
      }
      const std::size_t end = fits ? piece.end : pos + 1;
      ids.push_back(fits ? static_cast<Token>(piece.value) : unknown_);
      if (places != nullptr) places->push_back({pos, end});
      pos = end;
    }
  }

 private:
  PieceTrie pieces_;
  Token unknown_ = -1;
};

class Factory : public Decoder::StepFactory {
 public:
  [[nodiscard]] std::unique_ptr<DecoderStep> make() const override { return std::make_unique<BytesStep>(unescape_rwkv); }
  void save(CompiledWriter& writer) const override { writer(Decoder::Kind::kRwkv); }
};

}  // namespace

std::string unescape_rwkv(std::string_view piece) {
  std::string bytes;
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (piece[i] != '\\' || i + 1 == piece.size()) {
      bytes += piece[i];
      continue;
    }
    const char c = piece[++i];
    if (c == 'x' && i + 2 < piece.size() && digit_of(piece[i + 1]) >= 0 && digit_of(piece[i + 2]) >= 0) {
      bytes += static_cast<char>(digit_of(piece[i + 1]) << 4 | digit_of(piece[i + 2]));
      i += 2;
    } else {
      bytes += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
  }
  return bytes;
}

std::unique_ptr<const Model> make_rwkv_model(std::vector<PieceTrie::Entry> pieces, Token unknown) {
  return std::make_unique<Rwkv>(std::move(pieces), unknown);
}

std::unique_ptr<const Model> read_rwkv_model(CompiledReader& reader, std::size_t pieces) { return read_model_of<Rwkv>(reader, pieces); }

std::unique_ptr<const Decoder::StepFactory> make_rwkv_decoding() { return std::make_unique<Factory>(); }

}  // namespace weft::tokenizer
