#include <algorithm>
#include <string>

#include "json.h"
#include "weft/error.h"
#include "weft/tokenizer.h"

namespace weft {

SpecialRules::SpecialRules(const Tokenizer& tokenizer, const Names& allowed)
    : SpecialRules(tokenizer, allowed, Names{.all = true}) {}

SpecialRules::SpecialRules(const Tokenizer& tokenizer, const Names& allowed, const Names& disallowed) {
  const auto add = [&](const Names& names, bool allow) {
    for (const std::string& name : names.names) {
      const auto id = tokenizer.find(name);
      if (!id || !tokenizer.is_special(*id)) {
        throw Error(ErrorCode::kInvalidArgument, tokenizer::quoted(name) + " is no control token of this tokenizer",
                    "special tokens", "use its own names");
      }
      names_.push_back({name, allow});
    }
    for (Token id = 0; names.all && id < static_cast<Token>(tokenizer.vocab_size()); ++id) {
      if (tokenizer.is_special(id)) names_.push_back({tokenizer.piece(id), allow});
    }
  };
  add(allowed, true);
  add(disallowed, false);
  // Of one name that is both, allowed; of names that start with each other, the longest.
  std::stable_sort(names_.begin(), names_.end(), [](const Name& a, const Name& b) {
    const char x = a.text.empty() ? '\0' : a.text[0], y = b.text.empty() ? '\0' : b.text[0];
    return x != y ? x < y : a.text.size() != b.text.size() ? a.text.size() > b.text.size() : a.text < b.text;
  });
  names_.erase(std::unique(names_.begin(), names_.end(), [](const Name& a, const Name& b) { return a.text == b.text; }),
               names_.end());
  std::erase_if(names_, [](const Name& name) { return name.text.empty(); });
}

Prompt SpecialRules::parts(std::string_view text) const {
  Prompt parts;
  std::size_t done = 0;
  const auto put = [&](std::size_t end, Specials specials) {
    if (end != done) parts.push_back({std::string(text.substr(done, end - done)), specials});
    done = end;
  };
  for (std::size_t pos = 0; pos < text.size();) {
    const auto first = std::lower_bound(names_.begin(), names_.end(), text[pos],
                                        [](const Name& name, char c) { return name.text[0] < c; });
    auto name = first;
    while (name != names_.end() && name->text[0] == text[pos] && !text.substr(pos).starts_with(name->text)) ++name;
    if (name == names_.end() || name->text[0] != text[pos]) {
      ++pos;
      continue;
    }
    if (!name->allowed) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the text holds the control token " + tokenizer::quoted(name->text) + " at byte " + std::to_string(pos),
                  "text", "allow it, or disallow nothing to have it as text");
    }
    put(pos, Specials::kAsText);
    put(pos + name->text.size(), Specials::kAsTokens);
    pos = done;
  }
  put(text.size(), Specials::kAsText);
  return parts;
}

}  // namespace weft
