#include "sentencepiece_model.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <unordered_set>

#include "json.h"
#include "protobuf.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

using Type = SentencePieceModel::Type;
using Kind = SentencePieceModel::Kind;

constexpr std::string_view kFetchAgain = "the file is cut short or damaged; fetch it again";

constexpr std::size_t kMaxPieceBytes = 7999;  // SentencePiece's bound
constexpr std::string_view kNul("\0", 1);

// Field numbers of sentencepiece_model.proto.
namespace model_field {
enum : std::uint32_t { kPiece = 1, kTrainer = 2, kNormalizer = 3, kDenormalizer = 5 };
}
namespace piece_field {
enum : std::uint32_t { kText = 1, kScore = 2, kType = 3 };
}
namespace trainer_field {
enum : std::uint32_t { kModelType = 3, kWhitespaceSuffix = 24, kByteFallback = 35, kUnknownSurface = 44, kBosPiece = 46, kEosPiece = 47 };
}
namespace normalizer_field {
enum : std::uint32_t { kMap = 2, kDummyPrefix = 3, kRemoveExtra = 4, kEscape = 5 };
}

SentencePieceModel::Piece read_piece(const ProtobufField& field) {
  SentencePieceModel::Piece piece;
  ProtobufReader reader(field);
  while (const auto part = reader.next()) {
    if (part->number == piece_field::kText) piece.text = part->text();
    if (part->number == piece_field::kScore) piece.score = part->real();
    if (part->number == piece_field::kType) {
      const std::int32_t type = part->integer();
      if (type < 1 || type > 6) throw ProtobufError{"a piece has the unknown type " + std::to_string(type), part->place};
      piece.type = static_cast<Type>(type);
    }
  }
  if (piece.text.empty()) throw ProtobufError{"a piece is empty", field.place};
  if (piece.text.size() > kMaxPieceBytes) {
    throw ProtobufError{"a piece has more than " + std::to_string(kMaxPieceBytes) + " bytes", field.place};
  }
  if (!std::isfinite(piece.score)) {
    throw ProtobufError{"the score of " + tokenizer::quoted(piece.text) + " is not a finite number", field.place};
  }
  return piece;
}

void read_trainer(const ProtobufField& field, SentencePieceModel& model) {
  ProtobufReader reader(field);
  while (const auto part = reader.next()) {
    switch (part->number) {
      case trainer_field::kModelType: {
        const std::int32_t kind = part->integer();
        if (kind < 1 || kind > 4) throw ProtobufError{"the model type " + std::to_string(kind) + " is unknown", part->place};
        model.kind = static_cast<Kind>(kind);
        break;
      }
      case trainer_field::kWhitespaceSuffix: model.treat_whitespace_as_suffix = part->boolean(); break;
      case trainer_field::kByteFallback: model.byte_fallback = part->boolean(); break;
      case trainer_field::kBosPiece: model.bos_piece = part->text(); break;
      case trainer_field::kEosPiece: model.eos_piece = part->text(); break;
      case trainer_field::kUnknownSurface: model.unknown_surface = part->text(); break;
      default: break;
    }
  }
}

void read_rules(const ProtobufField& field, SentencePieceRules& rules) {
  ProtobufReader reader(field);
  while (const auto part = reader.next()) {
    switch (part->number) {
      case normalizer_field::kMap:
        try {
          rules.map = part->text().empty() ? Charsmap() : Charsmap(part->text());
        } catch (const CharsmapError& error) {
          throw ProtobufError{error.message, part->place};
        }
        break;
      case normalizer_field::kDummyPrefix: rules.add_dummy_prefix = part->boolean(); break;
      case normalizer_field::kRemoveExtra: rules.remove_extra_whitespaces = part->boolean(); break;
      case normalizer_field::kEscape: rules.escape_whitespaces = part->boolean(); break;
      default: break;
    }
  }
}

}  // namespace

bool is_text(SentencePieceModel::Type type) {
  return type == Type::kNormal || type == Type::kUserDefined || type == Type::kUnused;
}

PieceTable check_sentencepiece_model(SentencePieceModel& model, std::string_view name) {
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::kCorrupt, message, std::string(name), std::string(kFetchAgain));
  };
  const auto fail_at = [&](std::size_t id, const std::string& message) {
    fail("piece " + std::to_string(id) + ", " + tokenizer::quoted(model.pieces[id].text) + ", " + message);
  };
  if (model.pieces.empty()) fail("has no pieces");
  PieceTable table;
  table.resize(model.pieces.size());
  table.reserve(model.pieces.size());
  // What isn't text comes first: it is what its text names, and a BPE has no other of that text.
  std::unordered_set<std::string_view> hidden;  // texts behind such a piece's
  std::bitset<256> bytes;
  for (const bool text : {false, true}) {
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
      SentencePieceModel::Piece& piece = model.pieces[id];
      // Some converters write a NUL as a piece besides <0x00>.
      if (piece.text == kNul && model.byte_fallback) piece.type = Type::kUnused;
      if (is_text(piece.type) != text) continue;
      table.set(static_cast<Token>(id), piece.text);
      const bool first = table.index(static_cast<Token>(id));
      if (piece.text == kNul && piece.type == Type::kUnused) continue;
      if (piece.text.find('\0') != std::string::npos) fail_at(id, "has a NUL in it");
      if (!first && (model.kind == Kind::kBpe || is_text(model.pieces[static_cast<std::size_t>(table.find(piece.text))].type) == text ||
                     !hidden.insert(piece.text).second)) {
        fail_at(id, "is there twice");
      }
      if (piece.type == Type::kUnknown) {
        if (model.unknown >= 0) fail_at(id, "is a second unknown piece");
        model.unknown = static_cast<Token>(id);
      }
      if (piece.type == Type::kByte) {
        if (!model.byte_fallback) fail_at(id, "is a byte, although the model has no byte fallback");
        const int byte = byte_of_piece(piece.text);
        if (byte < 0) fail_at(id, "is no byte: those are <0x00> to <0xFF>");
        bytes.set(static_cast<std::size_t>(byte));
      }
    }
  }
  if (model.unknown < 0 && !model.byte_fallback) fail("has no unknown piece");
  if (model.byte_fallback && !bytes.all()) {
    fail("lacks byte pieces: it has " + std::to_string(bytes.count()) + " of 256, although it says byte_fallback");
  }
  return table;
}

bool is_sentencepiece_model(std::string_view bytes) {
  // A piece, as the only things that may be in it, and behind it another field of a model (or a cut).
  try {
    ProtobufReader reader(bytes);
    const auto first = reader.next();
    if (!first || first->wire != ProtobufField::Wire::kBytes || first->number > model_field::kDenormalizer) return false;
    ProtobufReader parts(*first);
    while (const auto part = parts.next()) {
      if (first->number == model_field::kPiece && part->number > piece_field::kType && part->number < 200) return false;
    }
    const std::size_t end = first->body + first->bytes.size();
    const std::uint32_t tag = end < bytes.size() ? static_cast<unsigned char>(bytes[end]) : 0x0A;
    return (tag & 7) == 2 && tag >> 3 >= model_field::kPiece && tag >> 3 <= model_field::kDenormalizer;
  } catch (const ProtobufError&) {
    // Cut inside of its first field: a piece is known by its text and score.
    return bytes.size() > 3 && bytes[0] == 0x0A && static_cast<unsigned char>(bytes[1]) < 0x80 && bytes[2] == 0x0A &&
           bytes.size() < 2 + static_cast<std::size_t>(static_cast<unsigned char>(bytes[1]));
  }
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  const int high = digit(piece[3]), low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

SentencePieceModel parse_sentencepiece_model(std::string_view bytes, std::string_view name,
                                             const TokenizerLimits& limits) {
  SentencePieceModel model;
  try {
    ProtobufReader reader(bytes);
    while (const auto field = reader.next()) {
      switch (field->number) {
        case model_field::kPiece:
          if (model.pieces.size() == limits.vocab_size) {
            throw Error(ErrorCode::kTooLarge, "has more than " + std::to_string(limits.vocab_size) + " pieces",
                        std::string(name), "raise TokenizerLimits::vocab_size if the file is right");
          }
          model.pieces.push_back(read_piece(*field));
          break;
        case model_field::kTrainer: read_trainer(*field, model); break;
        case model_field::kNormalizer: read_rules(*field, model.normalizer); break;
        case model_field::kDenormalizer:
          read_rules(*field, model.denormalizer);
          model.has_denormalizer = !model.denormalizer.map.empty();
          break;
        default: break;
      }
    }
  } catch (const ProtobufError& error) {
    throw Error(ErrorCode::kCorrupt, error.message, std::string(name) + ": byte " + std::to_string(error.place),
                std::string(kFetchAgain));
  }
  return model;
}

}  // namespace weft::tokenizer
