// How SentencePiece makes text of pieces.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "decoder.h"
#include "sentencepiece_normalizer.h"

namespace weft::tokenizer {

struct SentencePieceDecoding {
  bool strips_first_space = true;  ///< That of the first piece.
  bool strips_all_spaces = false;  ///< Those of more pieces at the start, too.
  bool has_bytes = false;          ///< "<0x41>" is a byte.
  std::string unknown{};           ///< The unknown piece, which becomes:
  std::string unknown_surface{};
  std::unordered_set<std::string> control{};  ///< Pieces that are no text: what follows is a text of its own.
  std::shared_ptr<const SentencePieceNormalizer> denormalizer{};  ///< May be null.

  /// The denormalizer is a step of its own.
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.strips_first_space, self.strips_all_spaces, self.has_bytes, self.unknown, self.unknown_surface);
    if constexpr (Archive::kReads) {
      auto control = archive.template take<std::vector<std::string>>();
      self.control = {control.begin(), control.end()};
    } else {
      std::vector<std::string> control(self.control.begin(), self.control.end());
      std::sort(control.begin(), control.end());
      archive(control);
    }
  }
};

void add_sentencepiece_decoding(Decoder& decoder, SentencePieceDecoding decoding);

/// Read what such steps have saved of themselves, behind their kind.
/// @throws Error{kCorrupt}
[[nodiscard]] std::unique_ptr<const Decoder::StepFactory> read_sentencepiece_decoding(CompiledReader& reader);
[[nodiscard]] std::unique_ptr<const Decoder::StepFactory> read_sentencepiece_denormalizing(CompiledReader& reader);

}  // namespace weft::tokenizer
