// What llama.cpp does to a text before two of its models see it. Both differ from the originals in places (docs/tokenizer.md);
// a GGUF file is read as llama.cpp reads it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "charsmap.h"
#include "normalizer.h"

namespace weft::tokenizer {

struct LlamaCppWordRules {
  bool lowercase = true;
  bool strip_accents = true;  ///< Each character is also cut to the first one of its decomposition.

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.lowercase, self.strip_accents);
  }
};
/// For WordPiece ("WPM"): words, punctuation and ideographs are words of their own, each behind U+2581, with one blank
/// between two.
[[nodiscard]] std::unique_ptr<NormalizerStep> make_llama_cpp_words(LlamaCppWordRules rules);

struct LlamaCppUnigramRules {
  Charsmap map;
  bool add_space_prefix = false;
  bool remove_extra_whitespaces = false;

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.map, self.add_space_prefix, self.remove_extra_whitespaces);
  }
};
/// For Unigram ("UGM"): blanks become U+2581.
/// @param user_defined  Pieces that are left as they are wherever a text has them; lent until this returns.
[[nodiscard]] std::unique_ptr<NormalizerStep> make_llama_cpp_unigram(LlamaCppUnigramRules rules,
                                                                     const std::vector<std::string_view>& user_defined);
/// Reads what that step saved of itself, behind its kind.
/// @throws Error{kCorrupt}
[[nodiscard]] std::unique_ptr<NormalizerStep> read_llama_cpp_unigram(CompiledReader& reader);

}  // namespace weft::tokenizer
