#include "llama2c.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "json.h"
#include "sentencepiece.h"
#include "sentencepiece_model.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kMostPieceBytes = 7999;  // SentencePiece's bound

std::uint32_t read_u32(std::string_view bytes, std::size_t pos) {
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[pos + i])}; };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

// The file keeps no types: llama2.c itself counts on the first ids being what Llama 2 has there. It spells U+2581 as a
// blank, and control pieces with line ends around them.
void restore_types(SentencePieceModel& model, const std::string& name) {
  using Type = SentencePieceModel::Type;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    auto& piece = model.pieces[id];
    const bool right = id == 0   ? piece.text == "<unk>"
                       : id < 3  ? piece.text == (id == 1 ? "\n<s>\n" : "\n</s>\n")
                       : id < 259 ? byte_of_piece(piece.text) == static_cast<int>(id) - 3
                                  : true;
    if (!right) {
      throw Error(ErrorCode::kCorrupt,
                  "piece " + std::to_string(id) + " is " + tokenizer::quoted(piece.text) +
                      ", where <unk>, <s>, </s> and the bytes are expected in this order",
                  name, "make the file again from tokenizer.model, with llama2.c's tokenizer.py");
    }
    piece.type = id == 0 ? Type::kUnknown : id < 3 ? Type::kControl : id < 259 ? Type::kByte : Type::kNormal;
    if (id == 1 || id == 2) piece.text = id == 1 ? "<s>" : "</s>";
    if (id < 259) continue;
    std::string text;
    for (const char c : piece.text) text += c == ' ' ? std::string("\u2581") : std::string(1, c);
    piece.text = std::move(text);
  }
}

}  // namespace

bool is_llama2c(std::string_view bytes) {
  // The longest piece's length, then a score and a length of the first piece, "<unk>", as its text.
  return bytes.size() >= 12 && read_u32(bytes, 0) <= kMostPieceBytes && read_u32(bytes, 8) <= read_u32(bytes, 0) &&
         read_u32(bytes, 8) > 0 && bytes.substr(12).starts_with(std::string_view("<unk>").substr(0, bytes.size() - 12));
}

std::unique_ptr<const Tokenizer> parse_llama2c(std::string_view bytes, std::string_view name,
                                               const TokenizerLimits& limits) {
  const auto fail = [&](std::size_t place, const std::string& message, ErrorCode code = ErrorCode::kCorrupt) {
    throw Error(code, message, std::string(name) + ": byte " + std::to_string(place),
                code == ErrorCode::kTooLarge ? "raise TokenizerLimits::vocab_size if the file is right"
                                             : "the file is cut short or damaged; make it again from tokenizer.model");
  };
  const std::size_t longest = read_u32(bytes, 0);
  SentencePieceModel model;
  model.kind = SentencePieceModel::Kind::kBpe;
  model.byte_fallback = true;
  model.normalizer.remove_extra_whitespaces = false;
  for (std::size_t pos = 4; pos < bytes.size();) {
    if (bytes.size() - pos < 8) fail(pos, "ends inside of piece " + std::to_string(model.pieces.size()));
    if (model.pieces.size() == limits.vocab_size) {
      fail(pos, "has more than " + std::to_string(limits.vocab_size) + " pieces", ErrorCode::kTooLarge);
    }
    SentencePieceModel::Piece piece;
    piece.score = std::bit_cast<float>(read_u32(bytes, pos));
    const std::size_t length = read_u32(bytes, pos + 4);
    if (length == 0 || length > longest) {
      fail(pos, "piece " + std::to_string(model.pieces.size()) + " has " + std::to_string(length) +
                    " bytes, where 1 to " + std::to_string(longest) + " are possible");
    }
    if (length > bytes.size() - pos - 8) fail(pos, "ends inside of piece " + std::to_string(model.pieces.size()));
    if (!std::isfinite(piece.score)) fail(pos, "the score of piece " + std::to_string(model.pieces.size()) + " is not finite");
    piece.text = bytes.substr(pos + 8, length);
    pos += 8 + length;
    model.pieces.push_back(std::move(piece));
  }
  restore_types(model, std::string(name));
  return make_sentencepiece_tokenizer(std::move(model), name, limits);
}

}  // namespace weft::tokenizer
