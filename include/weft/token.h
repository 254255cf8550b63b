// Token ids, and who wrote the text that they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// Index into a model's vocabulary: 0 <= id < vocab_size().
using Token = std::int32_t;

/// What "<|im_end|>" inside a text means. No default: only the caller knows who wrote the text.
enum class Specials {
  kAsText,    ///< Ten characters like any others. For everything that a user or a tool wrote.
  kAsTokens,  ///< The control token. For what the model's own chat template wrote.
};

/// A stretch of one text by one author. A prompt is a list of these: what the chat template wrote
/// alternates with what a user wrote.
struct TextPart {
  std::string text;  ///< UTF-8.
  Specials specials;
};
using Prompt = std::vector<TextPart>;

}  // namespace weft
