// The tokenizer of every file format: a text goes through the same stages, whatever file they were read from.
//
//   added tokens in the raw text -> normalizer -> added tokens in the normalised text -> pre-tokenizer -> model
//     -> truncation -> post-processor -> padding;   ids -> pieces -> decoder -> text
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "decoder.h"
#include "model.h"
#include "normalizer.h"
#include "piece_table.h"
#include "post_processor.h"
#include "pre_tokenizer.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

struct Stages {
  Normalizer normalizer{};
  AddedTokens added{};  ///< Made with `normalizer`.
  PreTokenizer pre_tokenizer{};
  std::unique_ptr<const Model> model{};
  PostProcessor post_processor{};
  Decoder decoder{};
  /// Every id's piece as the vocabulary spells it, findable. Those of `added` are put in by make_tokenizer().
  PieceTable pieces{};
  std::optional<Truncation> truncation{};  ///< What the file asks for itself.
  std::optional<Padding> padding{};
  std::size_t text_bytes = TokenizerLimits{}.text_bytes;
  /// Ids whose pieces are their text, where `decoder` takes all others for bytes in the byte-level alphabet (Decoder::is_plain_bytes()).
  std::vector<Token> verbatim{};
  std::vector<Token> silent{};  ///< Ids that are decoded to nothing.
};

[[nodiscard]] std::unique_ptr<const Tokenizer> make_tokenizer(Stages stages);

/// What Tokenizer::encode() gives for each of some texts. Those of a StagedTokenizer share what a call costs besides its text.
void encode_each(const Tokenizer& tokenizer, std::span<const std::string_view> texts, Specials specials,
                 std::vector<Token>* results);

/// Reads what compile_tokenizer() made.
/// @param owner   Keeps `bytes` for as long as the tokenizer lives; null: `bytes` are lent for this call only.
/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
[[nodiscard]] std::unique_ptr<const Tokenizer> parse_compiled(std::shared_ptr<const void> owner, std::string_view bytes,
                                                              std::string_view name, const TokenizerLimits& limits);

}  // namespace weft::tokenizer
