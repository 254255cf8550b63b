// A string of which every byte knows who wrote it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::jinja {

enum class Author : std::uint8_t {
  kTemplate,  ///< The template's own source, and what it made from nothing else.
  kData,      ///< Messages, tools, documents, variables, and all that was made from them.
};
/// The author of what was made from both: data, if either is.
[[nodiscard]] constexpr Author either(Author a, Author b) noexcept { return a == Author::kData ? a : b; }

/// Well-formed UTF-8. Positions are bytes on character boundaries unless a name says `chars`.
class Text {
 public:
  Text() = default;
  Text(std::string bytes, Author author);

  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t chars() const noexcept { return chars_; }

  /// Data's if any of it is.
  [[nodiscard]] Author author() const noexcept;
  [[nodiscard]] Author author_at(std::size_t pos) const noexcept;
  /// Where the stretch by one author that holds `pos` ends.
  [[nodiscard]] std::size_t stretch_end(std::size_t pos) const noexcept;

  /// Whether HTML escaping is done with it (markupsafe's Markup, which |escape and |safe make).
  [[nodiscard]] bool markup() const noexcept { return markup_; }
  void set_markup(bool markup) noexcept { markup_ = markup; }

  void append(std::string_view bytes, Author author);
  void append(const Text& text) { append(text, 0, text.size()); }
  void append(const Text& text, std::size_t from, std::size_t to);
  [[nodiscard]] Text slice(std::size_t from, std::size_t to) const;
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }

  /// The byte where character `index` starts; size() for index == chars(). O(1) for ASCII, else O(n).
  [[nodiscard]] std::size_t byte_of(std::size_t index) const noexcept;

  /// The first `needle` at or after `from`, or npos. Linear in size() + needle.size() for every input.
  [[nodiscard]] std::size_t find(std::string_view needle, std::size_t from = 0) const;
  /// The last `needle` that ends at or before `end` <= size(), or npos.
  [[nodiscard]] std::size_t rfind(std::string_view needle, std::size_t end) const;

 private:
  std::string bytes_;
  std::vector<std::size_t> flips_;  // where the author changes, ascending, each inside of bytes_
  std::size_t chars_ = 0;
  Author first_ = Author::kTemplate;
  bool markup_ = false;
};

}  // namespace weft::jinja
