// What must hold for every tokenizer file that is accepted, and for every text.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.h"
#include "weft/tokenizer.h"

namespace weft::fuzz {

inline void check(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// Encodes and decodes `text`, and holds the ways to do so against each other.
inline void check_text(const Tokenizer& tokenizer, std::string_view text, Specials specials) {
  try {
    const std::vector<Token> ids = tokenizer.encode(text, specials);
    for (const Token id : ids) {
      check(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocab_size(), "ids are in the vocabulary");
    }
    check(tokenizer.count(text, specials) == ids.size(), "count() counts what encode() gives");
    EncodeOptions options{.fields = kIds | kOffsets | kWords, .add_special_tokens = false};
    const Encoding encoding = tokenizer.encode(text, specials, options);
    check(encoding.ids == ids, "an Encoding has encode()'s ids");
    check(encoding.offsets.size() == ids.size() && encoding.words.size() == ids.size(), "each token has its fields");
    for (const ByteSpan& span : encoding.offsets) check(span.begin <= span.end && span.end <= text.size(), "offsets are in the text");
    const std::string decoded = tokenizer.decode(ids, Specials::kAsTokens);
    StreamDecoder stream(tokenizer, Specials::kAsTokens);
    std::string streamed;
    for (const Token id : ids) streamed += stream.push(id);
    streamed += stream.finish();
    check(streamed == decoded, "a stream gives what decode() gives");
  } catch (const Error& error) {
    check(error.code() != ErrorCode::kInternal, "no error is a mistake of ours");
  }
}

/// Loads a file from bytes; if it is accepted, uses it.
inline void check_file(std::string_view bytes, std::string_view name, const TokenizerOptions& options = {}) {
  TokenizerLimits limits;
  limits.vocab_size = 1 << 16;
  limits.text_bytes = 1 << 20;
  try {
    const auto tokenizer = parse_tokenizer(bytes, name, options, limits);
    for (const std::string_view text : {"", " Hello  World's 123\n\t\u00e9\u0301 \u65e5\u672c <s></s>[UNK]<|im_end|>", "\xff\xc3\x00z",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
      for (const Specials specials : {Specials::kAsText, Specials::kAsTokens}) check_text(*tokenizer, text, specials);
    }
    const EncodeOptions whole{.fields = ~0u, .as_file_says = true};
    try {
      (void)tokenizer->encode_pair("a b", "c", Specials::kAsText, whole);
    } catch (const Error& error) {
      check(error.code() != ErrorCode::kInternal, "no error is a mistake of ours");
    }
    for (std::size_t id = 0; id < std::min<std::size_t>(tokenizer->vocab_size(), 64); ++id) {
      const auto token = static_cast<Token>(id);
      (void)tokenizer->piece(token);
      (void)tokenizer->is_special(token);
    }
  } catch (const Error& error) {
    check(error.code() != ErrorCode::kInternal, "no error is a mistake of ours");
    check(!error.message().empty() && !error.fix().empty(), "an error says how to mend it");
  }
}

inline std::string_view view(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace weft::fuzz
