// RWKV's tokenizer: always the longest piece that fits, byte by byte.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decoder.h"
#include "model.h"
#include "piece_trie.h"
#include "weft/token.h"

namespace weft::tokenizer {

/// The bytes that a piece stands for: "\n", "\t", "\r" and "\xff" are one byte, any other character behind a '\' itself.
[[nodiscard]] std::string unescape_rwkv(std::string_view piece);

/// @param pieces   By their bytes.
/// @param unknown  For a byte that no piece fits; -1: such a byte is an Error.
[[nodiscard]] std::unique_ptr<const Model> make_rwkv_model(std::vector<PieceTrie::Entry> pieces, Token unknown);
/// Reads what that model saved of itself, behind its kind.
/// @throws Error{kCorrupt}
[[nodiscard]] std::unique_ptr<const Model> read_rwkv_model(CompiledReader& reader, std::size_t pieces);
/// A step for Decoder::add().
[[nodiscard]] std::unique_ptr<const Decoder::StepFactory> make_rwkv_decoding();

}  // namespace weft::tokenizer
