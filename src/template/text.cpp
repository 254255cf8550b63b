#include "text.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "unicode.h"

namespace weft::jinja {
namespace {

constexpr Author other(Author a) { return a == Author::kData ? Author::kTemplate : Author::kData; }

// Knuth, Morris and Pratt's search: std::string::find needs n * m steps for "aaaa...ab" in "aaaa...".
template <typename Hay, typename Needle>
std::size_t search(std::size_t n, std::size_t m, Hay hay, Needle needle) {
  std::vector<std::uint32_t> fallback(m, 0);  // texts stay below 4 GiB: TemplateLimits::output_bytes
  for (std::uint32_t i = 1, k = 0; i < m; ++i) {
    while (k > 0 && needle(i) != needle(k)) k = fallback[k - 1];
    if (needle(i) == needle(k)) ++k;
    fallback[i] = k;
  }
  for (std::size_t i = 0, k = 0; i < n; ++i) {
    while (k > 0 && hay(i) != needle(k)) k = fallback[k - 1];
    if (hay(i) == needle(k)) ++k;
    if (k == m) return i + 1 - m;
  }
  return std::string::npos;
}

constexpr std::size_t kShortNeedle = 16;  // up to here n * m is cheap, and std::string::find is fast

}  // namespace

Text::Text(std::string bytes, Author author)
    : bytes_(std::move(bytes)), chars_(unicode::count(bytes_)), first_(bytes_.empty() ? Author::kTemplate : author) {}

Author Text::author() const noexcept {
  return first_ == Author::kData || !flips_.empty() ? Author::kData : Author::kTemplate;
}

Author Text::author_at(std::size_t pos) const noexcept {
  const auto flips = std::upper_bound(flips_.begin(), flips_.end(), pos) - flips_.begin();
  return flips % 2 == 0 ? first_ : other(first_);
}

std::size_t Text::stretch_end(std::size_t pos) const noexcept {
  const auto flip = std::upper_bound(flips_.begin(), flips_.end(), pos);
  return flip == flips_.end() ? bytes_.size() : *flip;
}

void Text::append(std::string_view bytes, Author author) {
  if (bytes.empty()) return;
  if (bytes_.empty()) {
    first_ = author;
  } else if ((flips_.size() % 2 == 0 ? first_ : other(first_)) != author) {
    flips_.push_back(bytes_.size());
  }
  bytes_.append(bytes);
  chars_ += unicode::count(bytes);
}

void Text::append(const Text& text, std::size_t from, std::size_t to) {
  if (text.flips_.empty()) return append(std::string_view(text.bytes_).substr(from, to - from), text.first_);
  while (from < to) {
    const std::size_t end = std::min(to, text.stretch_end(from));
    append(std::string_view(text.bytes_).substr(from, end - from), text.author_at(from));
    from = end;
  }
}

Text Text::slice(std::size_t from, std::size_t to) const {
  Text part;
  part.append(*this, from, to);
  part.markup_ = markup_;
  return part;
}

std::size_t Text::byte_of(std::size_t index) const noexcept {
  if (chars_ == bytes_.size()) return index;
  if (index >= chars_) return bytes_.size();
  std::size_t pos = 0;
  if (index <= chars_ / 2) {
    for (; index > 0; --index) (void)unicode::next(bytes_, pos);
  } else {
    pos = bytes_.size();
    for (std::size_t left = chars_ - index; left > 0; --left) (void)unicode::previous(bytes_, pos);
  }
  return pos;
}

std::size_t Text::find(std::string_view needle, std::size_t from) const {
  if (from > bytes_.size() || needle.size() > bytes_.size() - from) return std::string::npos;
  if (needle.size() <= kShortNeedle) return bytes_.find(needle, from);
  const std::size_t found = search(
      bytes_.size() - from, needle.size(), [&](std::size_t i) { return bytes_[from + i]; },
      [&](std::size_t i) { return needle[i]; });
  return found == std::string::npos ? found : from + found;
}

std::size_t Text::rfind(std::string_view needle, std::size_t end) const {
  if (needle.size() > end) return std::string::npos;
  if (needle.size() <= kShortNeedle) return bytes_.rfind(needle, end - needle.size());
  const std::size_t found = search(
      end, needle.size(), [&](std::size_t i) { return bytes_[end - 1 - i]; },
      [&](std::size_t i) { return needle[needle.size() - 1 - i]; });
  return found == std::string::npos ? found : end - needle.size() - found;
}

}  // namespace weft::jinja
