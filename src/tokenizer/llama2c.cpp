#include "llama2c.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "json.h"
#include "sentencepiece_pieces.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kMostPieceBytes = 7999;  // SentencePiece's bound

std::uint32_t read_u32(std::string_view bytes, std::size_t pos) {
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[pos + i])}; };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
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
  restore_llama_types(model, [&](const std::string& message) { fail(4, message); });
  return make_sentencepiece_tokenizer(std::move(model), name, limits);
}

}  // namespace weft::tokenizer
