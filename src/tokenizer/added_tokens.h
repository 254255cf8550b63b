// Tokens that are found in the text itself, before it is split into words: control tokens, runs of blanks, ...
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normalizer.h"
#include "utf8.h"
#include "weft/token.h"

namespace weft::tokenizer {

struct AddedToken {
  Token id = 0;
  std::string content;
  bool single_word = false;  ///< Not next to a letter, digit or '_'.
  bool lstrip = false;       ///< Takes the blanks before it.
  bool rstrip = false;       ///< Takes the blanks behind it.
  bool ascii_blanks = false;  ///< Which it takes: those of ASCII only.
  bool normalized = false;   ///< Found in the normalised text, by its own normalised form.
  bool special = false;      ///< A control token.

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.id, self.content, self.single_word, self.lstrip, self.rstrip, self.ascii_blanks, self.normalized, self.special);
  }
};

/// A control token of which a file says no more than its content.
[[nodiscard]] inline AddedToken control_token(Token id, std::string_view content) {
  AddedToken token;
  token.id = id;
  token.content = content;
  token.special = true;
  return token;
}

/// Where a text was written by whom: control tokens count only in what the chat template wrote.
class Authors {
 public:
  /// The whole text by one author.
  explicit Authors(Specials specials) : everywhere_(specials == Specials::kAsTokens), nowhere_(!everywhere_) {}
  /// @param trusted  What kAsTokens holds for: ascending, not touching each other. Lent.
  explicit Authors(std::span<const Range> trusted) : trusted_(trusted) {}

  [[nodiscard]] bool is_mixed() const { return !everywhere_ && !nowhere_; }

  enum class Trust {
    kAll,   ///< Written as tokens, all of it.
    kNone,  ///< Written as text, all of it.
    kPart,
  };
  [[nodiscard]] Trust of(Range range) const;

 private:
  bool everywhere_ = false, nowhere_ = false;
  std::span<const Range> trusted_;
};

/// A stretch of a text: an added token, or what is between two of them.
struct Stretch {
  Range range;
  const AddedToken* token;  ///< nullptr: text.
};

class AddedTokens {
 public:
  AddedTokens() = default;
  /// @param tokens  No content is empty; no two are the same.
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer);

  [[nodiscard]] std::span<const AddedToken> tokens() const { return tokens_; }
  /// The content as the normalizer leaves it; the content itself unless `normalized`.
  [[nodiscard]] std::string_view matched_form(std::size_t index) const { return forms_[index]; }

  /// Takes `text` apart at the tokens that are found in the raw text (in the normalised text).
  /// Without tokens in it, it is one stretch; an empty text is none.
  /// @param source  Where the bytes of `text` are in the text that `authors` knows; empty: at `shift` and on.
  void find_raw(std::string_view text, const Authors& authors, std::vector<Stretch>& out) const;
  void find_normalized(std::string_view text, std::span<const Range> source, std::size_t shift, const Authors& authors,
                       std::vector<Stretch>& out) const;

 private:
  // A tree of all contents, byte by byte.
  class Trie {
   public:
    void add(std::string_view content, std::uint32_t token);
    void finish();  // call once, after the last add()
    [[nodiscard]] bool empty() const { return nodes_.size() == 1; }
    /// The next place from `pos` on where a token may start; the text's end if there is none.
    [[nodiscard]] std::size_t next_start(std::string_view text, std::size_t pos) const;
    /// Calls `found(token, end)` for every content that `text` has at `pos`, shortest first.
    template <typename Found>
    void walk(std::string_view text, std::size_t pos, Found&& found) const;

   private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};
    struct Node {
      std::uint32_t token = kNone;
      std::uint32_t edges = 0, edge_count = 0;  // after finish()
    };
    struct Edge {
      std::uint32_t from;
      unsigned char byte;
      std::uint32_t to;
    };
    std::vector<Node> nodes_{1};
    std::vector<Edge> edges_;  // by `from`, then `byte`, after finish()
    bool first_[256] = {};
    std::string firsts_;  // the bytes that first_ has
  };

  template <typename TrustOf>
  void find(const Trie& trie, std::string_view text, TrustOf&& trust_of, std::vector<Stretch>& out) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::string> forms_;
  Trie raw_, normalized_;
};

}  // namespace weft::tokenizer
