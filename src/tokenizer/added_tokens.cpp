#include "added_tokens.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "unicode.h"

namespace weft::tokenizer {
namespace {

bool is_added_word(char32_t c) { return (flags(c) & kAddedWord) != 0; }

bool is_blank(char32_t c, bool ascii_only) { return is_space(c) && (c < 0x80 || !ascii_only); }

std::size_t skip_blanks(std::string_view text, std::size_t pos, bool ascii_only) {
  while (pos < text.size()) {
    const CodePoint c = decode_at(text, pos);
    if (!is_blank(c.value, ascii_only)) break;
    pos += c.length;
  }
  return pos;
}

std::size_t skip_blanks_back(std::string_view text, std::size_t pos, std::size_t limit, bool ascii_only) {
  while (pos > limit) {
    const CodePoint c = decode_before(text, pos);
    if (!is_blank(c.value, ascii_only)) break;
    pos -= c.length;
  }
  return pos;
}

bool stands_alone(std::string_view text, Range match) {
  const bool word_before = match.begin > 0 && is_added_word(decode_before(text, match.begin).value);
  const bool word_behind = match.end < text.size() && is_added_word(decode_at(text, match.end).value);
  return !word_before && !word_behind;
}

}  // namespace

Authors::Trust Authors::of(Range range) const {
  if (everywhere_) return Trust::kAll;
  if (nowhere_) return Trust::kNone;
  // The first trusted range that ends behind the start of this one is the only one that can hold it.
  const auto next = std::upper_bound(trusted_.begin(), trusted_.end(), range.begin,
                                     [](std::size_t pos, const Range& trusted) { return pos < trusted.end; });
  if (next == trusted_.end() || next->begin >= range.end) return Trust::kNone;
  return next->begin <= range.begin && range.end <= next->end ? Trust::kAll : Trust::kPart;
}

void AddedTokens::Trie::add(std::string_view content, std::uint32_t token) {
  // Contents come in ascending order, so a shared path is always the newest one.
  std::uint32_t at = 0;
  for (const char c : content) {
    const auto byte = static_cast<unsigned char>(c);
    Node& node = nodes_[at];
    if (node.edge_count != 0 && edges_[node.edges].byte == byte) {
      at = edges_[node.edges].to;
      continue;
    }
    node.edges = static_cast<std::uint32_t>(edges_.size());
    ++node.edge_count;
    edges_.push_back({at, byte, static_cast<std::uint32_t>(nodes_.size())});
    at = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  }
  nodes_[at].token = token;
  bool& first = first_[static_cast<unsigned char>(content.front())];
  if (!first) firsts_ += content.front();
  first = true;
}

void AddedTokens::Trie::finish() {
  std::sort(edges_.begin(), edges_.end(),
            [](const Edge& a, const Edge& b) { return std::tie(a.from, a.byte) < std::tie(b.from, b.byte); });
  for (std::uint32_t i = 0; i < edges_.size(); ++i) {
    if (i == 0 || edges_[i].from != edges_[i - 1].from) nodes_[edges_[i].from].edges = i;
  }
}

std::size_t AddedTokens::Trie::next_start(std::string_view text, std::size_t pos) const {
  if (firsts_.size() == 1) return std::min(text.find(firsts_[0], pos), text.size());
  const auto first = [&](std::size_t i) -> int { return first_[static_cast<unsigned char>(text[i])]; };
  while (pos + 4 <= text.size() && (first(pos) | first(pos + 1) | first(pos + 2) | first(pos + 3)) == 0) pos += 4;
  while (pos < text.size() && first(pos) == 0) ++pos;
  return pos;
}

template <typename Found>
void AddedTokens::Trie::walk(std::string_view text, std::size_t pos, Found&& found) const {
  for (std::uint32_t at = 0; pos < text.size(); ++pos) {
    const auto byte = static_cast<unsigned char>(text[pos]);
    const auto begin = edges_.begin() + nodes_[at].edges, end = begin + nodes_[at].edge_count;
    const auto edge =
        std::lower_bound(begin, end, byte, [](const Edge& e, unsigned char wanted) { return e.byte < wanted; });
    if (edge == end || edge->byte != byte) return;
    at = edge->to;
    if (nodes_[at].token != kNone) found(nodes_[at].token, pos + 1);
  }
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer) : tokens_(std::move(tokens)) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    forms_.push_back(token.normalized ? normalizer.apply(token.content) : token.content);
    if (!forms_.back().empty()) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return forms_[a] < forms_[b]; });
  for (const std::uint32_t i : order) (tokens_[i].normalized ? normalized_ : raw_).add(forms_[i], i);
  raw_.finish();
  normalized_.finish();
}

void AddedTokens::find_raw(std::string_view text, const Authors& authors, std::vector<Stretch>& out) const {
  find(raw_, text, [&](Range match) { return authors.of(match); }, out);
}

void AddedTokens::find_normalized(std::string_view text, std::span<const Range> source, std::size_t shift,
                                  const Authors& authors, std::vector<Stretch>& out) const {
  const auto trust_of = [&](Range match) {
    if (!authors.is_mixed() || source.empty()) return authors.of({shift + match.begin, shift + match.end});
    Range original = source[match.begin];
    for (std::size_t i = match.begin; i < match.end; ++i) {
      original = {std::min(original.begin, source[i].begin), std::max(original.end, source[i].end)};
    }
    return authors.of({shift + original.begin, shift + original.end});
  };
  find(normalized_, text, trust_of, out);
}

// Hugging Face's loop, its quirks included (added_vocabulary.rs, find_matches): a match that is turned down still hides
// what it covers, and the blanks that a token takes may be taken again.
template <typename TrustOf>
void AddedTokens::find(const Trie& trie, std::string_view text, TrustOf&& trust_of, std::vector<Stretch>& out) const {
  std::size_t done = 0;
  Range blanks{0, 0};  // known blanks, so that none are looked at for every token that takes them
  for (std::size_t pos = 0; !trie.empty() && pos < text.size();) {
    pos = trie.next_start(text, pos);
    if (pos == text.size()) break;
    const AddedToken* token = nullptr;
    std::size_t end = pos;
    bool turned_down = false;
    trie.walk(text, pos, [&](std::uint32_t index, std::size_t match_end) {
      const AddedToken& candidate = tokens_[index];
      const auto trust = candidate.special ? trust_of(Range{pos, match_end}) : Authors::Trust::kAll;
      if (trust == Authors::Trust::kPart) return;  // half a user's: no token, whatever else is
      token = &candidate, end = match_end;
      turned_down = trust == Authors::Trust::kNone;
    });
    if (token == nullptr) {
      ++pos;
      continue;
    }
    Range match{pos, end};
    pos = end;
    if (turned_down || (token->single_word && !stands_alone(text, match))) continue;
    if (token->lstrip) match.begin = std::max(skip_blanks_back(text, match.begin, done, token->ascii_blanks), done);
    if (token->rstrip) {
      if (match.end < blanks.begin || match.end > blanks.end) blanks = {match.end, skip_blanks(text, match.end, token->ascii_blanks)};
      match.end = blanks.end;
    }
    // Blanks that the last token has taken: nothing is left. Where less than nothing is, Hugging Face stops.
    if (match.begin >= match.end) continue;
    if (done < match.begin) out.push_back({{done, match.begin}, nullptr});
    out.push_back({match, token});
    done = match.end;
  }
  if (done < text.size()) out.push_back({{done, text.size()}, nullptr});
}

}  // namespace weft::tokenizer
