// What is done to the tokens of a text or a pair: tokens put around them, offsets trimmed, truncation, padding.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "utf8.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// A token on its way into an Encoding.
struct DraftToken {
  Token id = 0;
  Range offsets{0, 0};
  std::int32_t word = -1;
  std::uint32_t type_id = 0;
  bool second = false;    ///< Of a pair's second text.
  bool special = false;   ///< Put there by a post-processor or by padding.
  bool attention = true;  ///< Not padding.
  /// Blanks that the piece starts and ends with, in characters, as the trimming of offsets counts them.
  std::uint32_t leading = 0, trailing = 0;
};

struct Draft {
  std::vector<DraftToken> tokens;
  std::vector<Draft> overflowing{};
  std::string_view text{};  ///< What the offsets are places in: well-formed.
};

class PostProcessor {
 public:
  struct TemplatePiece {
    enum class Kind : std::uint8_t { kFirst, kSecond, kSpecial };
    friend constexpr Kind last_of(Kind) { return Kind::kSpecial; }
    Kind kind;
    std::uint32_t type_id;
    std::vector<Token> ids{};  ///< kSpecial

    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.kind, self.type_id, self.ids);
    }
  };
  using Template = std::vector<TemplatePiece>;

  /// @name Adds one step behind the others. The names are Hugging Face's.
  /// @{
  void add_template(Template single, Template pair);
  void add_bert(Token sep, Token cls);
  void add_roberta(Token sep, Token cls, bool trim_offsets, bool add_prefix_space);
  void add_byte_level(bool trim_offsets, bool add_prefix_space);
  /// @}

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.steps_);
  }

  [[nodiscard]] bool empty() const { return steps_.empty(); }
  /// Whether it needs DraftToken::leading and trailing.
  [[nodiscard]] bool trims() const;
  /// How many tokens it adds.
  [[nodiscard]] std::size_t added(bool pair) const;
  /// @throws Error{kInvalidArgument}  a pair, where the file has no template for one.
  [[nodiscard]] Draft process(Draft first, std::optional<Draft> second, bool add_special_tokens) const;

 private:
  struct Step {
    enum class Kind : std::uint8_t { kTemplate, kBert, kRoberta, kByteLevel } kind;
    friend constexpr Kind last_of(Kind) { return Kind::kByteLevel; }
    Template single{}, pair{};
    Token sep = 0, cls = 0;
    bool trim_offsets = false, add_prefix_space = false;

    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.kind, self.single, self.pair, self.sep, self.cls, self.trim_offsets, self.add_prefix_space);
    }
  };
  static std::vector<Draft> run(const Step& step, std::vector<Draft> drafts, bool add_special_tokens);
  std::vector<Step> steps_;
};

/// Cuts both to fit in `truncation.max_tokens`, which leaves room for what will be added.
/// @throws Error{kInvalidArgument}
void truncate(Draft& first, Draft* second, const Truncation& truncation);
void pad(Draft& draft, std::size_t length, const Padding& padding);
/// @param fields  What `encoding` holds.
void pad(Encoding& encoding, std::size_t length, const Padding& padding, unsigned fields);
/// The length that sequences, the longest with `longest` tokens, are padded to.
[[nodiscard]] std::size_t padded_length(std::size_t longest, const Padding& padding);
[[nodiscard]] Encoding to_encoding(Draft draft, unsigned fields);

/// Readers of a `tokenizer.json`'s parts.
/// @throws Error{kCorrupt, kUnsupported}
[[nodiscard]] PostProcessor read_post_processor(const std::optional<JsonValue>& json);
[[nodiscard]] std::optional<Truncation> read_truncation(const std::optional<JsonValue>& json);
[[nodiscard]] std::optional<Padding> read_padding(const std::optional<JsonValue>& json);

}  // namespace weft::tokenizer
