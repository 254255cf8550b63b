// Regular expressions, as each engine reads them: the pattern up to a line end, then the text that it is looked for in.
#include "src/tokenizer/regex.h"

#include "fuzz/check_tokenizer.h"
#include "src/tokenizer/utf8.h"

namespace {

using namespace weft::tokenizer;

void look_for(const std::string& pattern, const std::string& text, RegexEngine engine) {
  try {
    const Regex regex(pattern, engine);
    std::size_t end = 0;
    for (const Range& match : regex.find_all(text)) {
      weft::fuzz::check(end <= match.begin && match.begin <= match.end && match.end <= text.size(), "matches come in order");
      end = match.end;
      for (const std::size_t border : {match.begin, match.end}) {
        weft::fuzz::check(border == text.size() || (static_cast<unsigned char>(text[border]) & 0xC0) != 0x80,
                          "no match cuts a character");
      }
    }
  } catch (const RegexError&) {
  } catch (const weft::Error& error) {
    weft::fuzz::check(error.code() == weft::ErrorCode::kTooLarge, "only too much work is an error");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes = weft::fuzz::view(data, size);
  const std::size_t line_end = std::min(bytes.find('\n'), bytes.size());
  const std::string pattern = repair_utf8(bytes.substr(0, line_end));
  const std::string text = repair_utf8(bytes.substr(std::min(line_end + 1, bytes.size())));
  for (const RegexEngine engine : {RegexEngine::kOniguruma, RegexEngine::kTiktoken}) look_for(pattern, text, engine);
  return 0;
}
