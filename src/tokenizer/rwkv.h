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
void add_rwkv_decoding(Decoder& decoder);

}  // namespace weft::tokenizer
