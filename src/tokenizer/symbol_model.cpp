#include "symbol_model.h"

#include <algorithm>
#include <utility>

#include "spares.h"
#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSpace = "\u2581";

using Symbols = std::vector<ScoreBpe::Symbol>;

class BpeSplitter {
 public:
  static constexpr Model::Kind kKind = Model::Kind::kScoreBpe;
  BpeSplitter() = default;
  explicit BpeSplitter(ScoreBpe bpe) : bpe_(std::move(bpe)) {}
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.bpe_);
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const { return bpe_.ids_below(limit); }
  class Run {
   public:
    explicit Run(const BpeSplitter& splitter) : encoder_(splitter.bpe_) {}
    void begin(std::size_t text_bytes) { encoder_.begin(text_bytes); }
    void end() { encoder_.end(); }
    void split(std::string_view text, Symbols& symbols) { encoder_.encode(text, symbols); }

   private:
    ScoreBpe::Encoder encoder_;
  };

 private:
  ScoreBpe bpe_;
};

class WordSplitter {
 public:
  static constexpr Model::Kind kKind = Model::Kind::kWord;
  WordSplitter() = default;
  explicit WordSplitter(PieceTrie pieces) : pieces_(std::move(pieces)) {}
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.pieces_);
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const { return pieces_.values_below(limit); }
  class Run {
   public:
    explicit Run(const WordSplitter& splitter) : pieces_(splitter.pieces_) {}
    void begin(std::size_t) {}
    void end() {}
    void split(std::string_view text, Symbols& symbols) {
      for (std::size_t pos = 0; pos < text.size();) {
        const std::size_t end = std::min(text.find(kSpace, pos + 1), text.size());
        const std::uint32_t id = pieces_.find(text.substr(pos, end - pos));
        symbols.push_back({id == PieceTrie::kValues ? -1 : static_cast<Token>(id), static_cast<std::uint32_t>(end - pos)});
        pos = end;
      }
    }

   private:
    const PieceTrie& pieces_;
  };

 private:
  PieceTrie pieces_;
};

class CharacterSplitter {
 public:
  static constexpr Model::Kind kKind = Model::Kind::kCharacter;
  CharacterSplitter() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.pieces_, self.user_defined_);
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const { return pieces_.values_below(limit); }
  CharacterSplitter(PieceTrie pieces, PieceTrie user_defined)
      : pieces_(std::move(pieces)), user_defined_(std::move(user_defined)) {}
  class Run {
   public:
    explicit Run(const CharacterSplitter& splitter) : splitter_(splitter) {}
    void begin(std::size_t) {}
    void end() {}
    void split(std::string_view text, Symbols& symbols) {
      for (std::size_t pos = 0; pos < text.size();) {
        const auto found = splitter_.user_defined_.longest(text, pos);
        const std::size_t end = found.end != pos && ends_character(text, found.end) ? found.end : pos + decode_at(text, pos).length;
        const std::uint32_t id = splitter_.pieces_.find(text.substr(pos, end - pos));
        symbols.push_back({id == PieceTrie::kValues ? -1 : static_cast<Token>(id), static_cast<std::uint32_t>(end - pos)});
        pos = end;
      }
    }

   private:
    const CharacterSplitter& splitter_;
  };

 private:
  PieceTrie pieces_, user_defined_;
};

template <typename Splitter>
class SymbolModel : public Model {
 public:
  SymbolModel(Splitter splitter, UnknownSymbols unknown)
      : splitter_(std::move(splitter)), unknown_(std::move(unknown)) {}

  SymbolModel() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.splitter_, self.unknown_);
  }
  void save(CompiledWriter& writer) const override { writer(Splitter::kKind, *this); }
  [[nodiscard]] bool ids_below(std::size_t limit) const {
    const auto is_id = [&](Token id) { return id >= 0 && id < static_cast<std::int64_t>(limit); };
    return splitter_.ids_below(limit) && (unknown_.unknown == -1 ? unknown_.bytes.has_value() : is_id(unknown_.unknown)) &&
           (!unknown_.bytes || std::all_of(unknown_.bytes->begin(), unknown_.bytes->end(), is_id));
  }

  [[nodiscard]] std::unique_ptr<Model::Encoder> start() const override {
    return std::make_unique<Encoder>(*this);
  }

 private:
  class Encoder : public Model::Encoder {
   public:
    explicit Encoder(const SymbolModel& model) : unknown_(model.unknown_), run_(model.splitter_) {}
    void begin(std::size_t text_bytes) override { run_.begin(text_bytes); }
    void end() override {
      run_.end();
      give_back(symbols_);
    }
    void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) override {
      for (const Range& word : words) encode(text.substr(word.begin, word.size()), ids, nullptr);
    }
    void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) override {
      encode(word, ids, &places);
    }

   private:
    void encode(std::string_view word, std::vector<Token>& ids, std::vector<Range>* places) {
      symbols_.clear();
      run_.split(word, symbols_);
      bool after_unknown = false;
      std::size_t pos = 0;
      for (const ScoreBpe::Symbol& symbol : symbols_) {
        const Range place{pos, pos + symbol.length};
        pos = place.end;
        const auto put = [&](Token id) {
          ids.push_back(id);
          if (places != nullptr) places->push_back(place);
        };
        const bool unknown = symbol.id < 0 || symbol.id == unknown_.unknown;
        if (!unknown) {
          put(symbol.id);
        } else if (unknown_.bytes) {
          for (const char byte : word.substr(place.begin, place.size())) {
            put((*unknown_.bytes)[static_cast<unsigned char>(byte)]);
          }
        } else if (!after_unknown) {
          put(unknown_.unknown);
        } else if (places != nullptr) {
          places->back().end = place.end;
        }
        after_unknown = unknown;
      }
    }

    const UnknownSymbols& unknown_;
    typename Splitter::Run run_;
    Symbols symbols_;
  };

  Splitter splitter_;
  UnknownSymbols unknown_;
};

}  // namespace

std::unique_ptr<const Model> read_symbol_model(Model::Kind kind, CompiledReader& reader, std::size_t pieces) {
  if (kind == Model::Kind::kScoreBpe) return read_model_of<SymbolModel<BpeSplitter>>(reader, pieces);
  if (kind == Model::Kind::kWord) return read_model_of<SymbolModel<WordSplitter>>(reader, pieces);
  return read_model_of<SymbolModel<CharacterSplitter>>(reader, pieces);
}

std::unique_ptr<const Model> make_bpe_model(ScoreBpe bpe, UnknownSymbols unknown) {
  return std::make_unique<SymbolModel<BpeSplitter>>(BpeSplitter(std::move(bpe)), std::move(unknown));
}

std::unique_ptr<const Model> make_word_model(PieceTrie pieces, UnknownSymbols unknown) {
  return std::make_unique<SymbolModel<WordSplitter>>(WordSplitter(std::move(pieces)), std::move(unknown));
}

std::unique_ptr<const Model> make_character_model(PieceTrie pieces, PieceTrie user_defined, UnknownSymbols unknown) {
  return std::make_unique<SymbolModel<CharacterSplitter>>(CharacterSplitter(std::move(pieces), std::move(user_defined)),
                                                          std::move(unknown));
}

}  // namespace weft::tokenizer
