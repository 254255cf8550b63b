// What stands behind the header of a compiled tokenizer, sealed with its right checksum: tables that contradict each
// other.
#include "src/tokenizer/compiled.h"

#include <algorithm>

#include "fuzz/check_tokenizer.h"

namespace {

using namespace weft;

// Its ids are whatever it says, so little else can be promised of them.
void use(const Tokenizer& tokenizer, std::string_view text, Specials specials) {
  try {
    const auto check_ids = [&](const std::vector<Token>& ids) {
      for (const Token id : ids) {
        fuzz::check(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocab_size(), "ids are in the vocabulary");
      }
    };
    const std::vector<Token> ids = tokenizer.encode(text, specials);
    check_ids(ids);
    (void)tokenizer.count(text, specials);
    check_ids(tokenizer.encode(text, specials, {.fields = ~0u, .as_file_says = true}).ids);
    const std::string decoded = tokenizer.decode(ids, Specials::kAsTokens);
    fuzz::check(tokenizer::is_utf8(decoded), "what is decoded is UTF-8");
    StreamDecoder stream(tokenizer, Specials::kAsTokens);
    std::string streamed;
    for (const Token id : ids) streamed += stream.push(id);
    streamed += stream.finish();
    // decode() has a table of its own for bytes, which may say something else.
    fuzz::check(tokenizer::is_utf8(streamed), "what is streamed is UTF-8");
  } catch (const Error& error) {
    fuzz::check(error.code() != ErrorCode::kInternal, "no error is a mistake of ours");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string file = tokenizer::seal_compiled(std::string(fuzz::view(data, size)));
  TokenizerLimits limits;
  limits.text_bytes = 1 << 20;
  try {
    const auto tokenizer = parse_tokenizer(file, "tokenizer.weft", limits);
    for (const std::string_view text : {"", " Hello  World's 123\n\t\u00e9\u0301 \u65e5\u672c <s></s>[UNK]<|im_end|>",
                                        "\xff\xc3 ab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
      for (const Specials specials : {Specials::kAsText, Specials::kAsTokens}) use(*tokenizer, text, specials);
    }
    for (std::size_t id = 0; id < std::min<std::size_t>(tokenizer->vocab_size(), 64); ++id) {
      const auto token = static_cast<Token>(id);
      (void)tokenizer->find(tokenizer->piece(token));
      (void)tokenizer->is_special(token);
    }
    (void)compile_tokenizer(*tokenizer);
  } catch (const Error& error) {
    fuzz::check(error.code() != ErrorCode::kInternal, "no error is a mistake of ours");
  }
  return 0;
}
