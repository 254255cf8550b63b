#include "score_bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "spares.h"
#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kShort = 48;          // symbols up to which a plain search for the lowest rank beats the heap
constexpr std::size_t kRemember = 4096;     // bytes of texts from which on words are worth remembering
constexpr std::size_t kMaxKnown = 1 << 14;  // words
constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMostWork = std::size_t{1} << 31;  // bytes looked at to list all merges
constexpr std::size_t kMostDepth = 100;  // to which SentencePiece takes unused pieces apart
constexpr std::string_view kSpace = "\u2581";

// Scores in SentencePiece's order, in which -0.0 is less than 0.0.
std::int32_t order_of(float score) {
  const auto bits = std::bit_cast<std::int32_t>(score);
  return bits < 0 ? bits ^ std::numeric_limits<std::int32_t>::max() : bits;
}

}  // namespace

ScoreBpe::ScoreBpe(const std::vector<Piece>& pieces) {
  add_merges(pieces);
  find_cuts(pieces);
}

// Every way to make a piece out of two: a piece, or a single character, and another.
void ScoreBpe::add_merges(const std::vector<Piece>& pieces) {
  std::vector<const Piece*> by_score;
  PieceTable symbols;  // what may stand left or right: texts of symbols
  symbols.resize(pieces.size());
  symbols.reserve(pieces.size());
  std::vector<PieceTrie::Entry> starts;
  const auto add_symbol = [&](std::string_view text, Token id, bool unused) {
    if (ids_.size() >= kFrozen) throw MergesTooMany();
    const auto symbol = static_cast<Token>(ids_.size());
    if (symbols.size() <= ids_.size()) symbols.resize(ids_.size() + 1);
    symbols.set(symbol, text);
    symbols.index(symbol);
    ids_.push_back(id);
    is_unused_.push_back(unused);
    return static_cast<std::uint32_t>(symbol);
  };
  for (const Piece& piece : pieces) {
    if (valid_utf8_prefix(piece.text) != piece.text.size()) continue;  // no text has it
    if (piece.kind == Piece::Kind::kUserDefined) {
      if (ids_.size() >= kFrozen) throw MergesTooMany();
      starts.push_back({piece.text, static_cast<std::uint32_t>(ids_.size()) | kFrozen});
      ids_.push_back(piece.id);
      is_unused_.push_back(false);
      continue;
    }
    const bool unused = piece.kind == Piece::Kind::kUnused;
    any_unused_ = any_unused_ || unused;
    const std::uint32_t symbol = add_symbol(piece.text, piece.id, unused);
    if (decode_at(piece.text, 0).length == piece.text.size()) {
      starts.push_back({piece.text, symbol});
    } else {
      by_score.push_back(&piece);
    }
  }
  std::stable_sort(by_score.begin(), by_score.end(),
                   [](const Piece* a, const Piece* b) { return order_of(a->score) > order_of(b->score); });

  const auto find_part = [&](std::string_view text) -> std::int64_t {
    if (const Token symbol = symbols.find(text); symbol >= 0) return symbol;
    if (decode_at(text, 0).length != text.size()) return -1;
    const std::uint32_t symbol = add_symbol(text, -1, false);
    starts.push_back({text, symbol});
    return symbol;
  };
  std::vector<Entry> merges;
  std::size_t work = 0;
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < by_score.size(); ++i) {
    if (i > 0 && order_of(by_score[i]->score) != order_of(by_score[i - 1]->score)) ++rank;
    const std::string_view text = by_score[i]->text;
    const auto result = static_cast<std::uint32_t>(symbols.find(text));
    for (std::size_t cut = decode_at(text, 0).length; cut < text.size(); cut += decode_at(text, cut).length) {
      work += text.size();
      if (work > kMostWork) throw MergesTooMany();
      const std::int64_t left = find_part(text.substr(0, cut));
      const std::int64_t right = left < 0 ? -1 : find_part(text.substr(cut));
      if (right < 0) continue;
      merges.push_back({static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right), rank, result});
    }
  }
  entries_.resize(std::bit_ceil(merges.size() * 2 + 2), Entry{kFree, 0, 0});
  for (const Entry& merge : merges) {
    std::size_t at = place(merge.pair);
    while (entries_[at].pair != kFree) at = (at + 1) & (entries_.size() - 1);
    entries_.at(at) = merge;
  }
  // A user-defined character is never anything else.
  std::stable_sort(starts.begin(), starts.end(), [](const auto& a, const auto& b) {
    return (a.value & kFrozen) < (b.value & kFrozen);
  });
  starts_ = PieceTrie(std::move(starts));
  for (unsigned char c = 0; c < 128; ++c) {
    const char text[] = {static_cast<char>(c)};
    const std::uint32_t symbol = starts_.find(std::string_view(text, 1));
    ascii_[c] = symbol == PieceTrie::kValues ? kUnknown : symbol;
  }
  for (const Piece& piece : pieces) {
    // Where more than the character itself may start, it has to be looked for.
    const auto first = static_cast<unsigned char>(piece.text[0]);
    if (piece.kind == Piece::Kind::kUserDefined && first < 128) ascii_[first] = PieceTrie::kValues;
  }
}

bool ScoreBpe::is_sound() const {
  const auto is_symbol = [&](std::uint32_t symbol) { return symbol < ids_.size(); };
  bool sound = is_unused_.size() == ids_.size() && ids_.size() < kFrozen && std::has_single_bit(entries_.size());
  std::size_t taken = 0;
  for (const Entry& entry : entries_) {
    taken += entry.pair != kFree;
    sound &= entry.pair == kFree || is_symbol(entry.result);
  }
  // A value may have the mark of a user-defined piece, and is else a symbol.
  sound &= taken < entries_.size() && starts_.values_below(ids_.size(), kFrozen);
  for (const std::uint32_t symbol : ascii_) {
    sound &= symbol == kUnknown || symbol == PieceTrie::kValues || is_symbol(symbol & ~kFrozen);
  }
  return sound;
}

void ScoreBpe::find_cuts(const std::vector<Piece>& pieces) {
  cuts_before_ = cuts_behind_ = !any_unused_;  // how unused pieces are made is asked of the whole text
  for (const Piece& piece : pieces) {
    for (std::size_t at = piece.text.find(kSpace); at != std::string_view::npos; at = piece.text.find(kSpace, at + 1)) {
      const std::size_t end = at + kSpace.size();
      if (at > 0 && !piece.text.substr(0, at).ends_with(kSpace)) cuts_before_ = false;
      if (end < piece.text.size() && !piece.text.substr(end).starts_with(kSpace)) cuts_behind_ = false;
    }
  }
}

std::size_t ScoreBpe::next_cut(std::string_view text, std::size_t pos) const {
  if (!cuts_before_ && !cuts_behind_) return text.size();
  const auto behind_spaces = [&](std::size_t at) {
    while (text.substr(at, kSpace.size()) == kSpace) at += kSpace.size();
    return at;
  };
  if (cuts_before_) pos = behind_spaces(pos);
  pos = std::min(text.find(kSpace, pos), text.size());
  return cuts_before_ ? pos : behind_spaces(pos);
}

void ScoreBpe::Encoder::begin(std::size_t text_bytes) {
  seen_ += text_bytes;
  if (bpe_.any_unused_ || known_.size() == kMaxKnown || seen_ < kRemember) return;
  grow_cache(known_, std::min(kMaxKnown, seen_ / 16));
}

void ScoreBpe::Encoder::end() {
  give_back(nodes_);
  unused_.clear();
}

void ScoreBpe::Encoder::encode(std::string_view text, std::vector<Symbol>& out) {
  unused_.clear();
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t end = bpe_.next_cut(text, pos);
    const std::string_view word = text.substr(pos, end - pos);
    pos = end;
    if (known_.empty() || word.size() > ShortKey::kLongest) {
      encode_word(word, out);
      continue;
    }
    const ShortKey key(word.data(), word.size());
    Known& known = known_[hash_of(key, word.size()) & (known_.size() - 1)];
    if (known.bytes == word.size() && known.key == key) {
      out.insert(out.end(), known.symbols.begin(), known.symbols.begin() + known.count);
      continue;
    }
    const std::size_t before = out.size();
    encode_word(word, out);
    const std::size_t count = out.size() - before;
    if (count > Known::kMost) continue;
    known.key = key;
    std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), known.symbols.begin());
    known.bytes = static_cast<std::uint8_t>(word.size());
    known.count = static_cast<std::uint8_t>(count);
  }
}

void ScoreBpe::Encoder::encode_word(std::string_view word, std::vector<Symbol>& out) {
  start(word);
  if (nodes_.size() <= kShort && !bpe_.any_unused_) {
    merge_short();
  } else {
    merge_long();
  }
  for (const Node& node : nodes_) put(node, out);
}

void ScoreBpe::Encoder::start(std::string_view word) {
  nodes_.clear();
  for (std::size_t pos = 0; pos < word.size();) {
    const auto first = static_cast<unsigned char>(word[pos]);
    if (first < 0x80 && bpe_.ascii_[first] != PieceTrie::kValues) {
      nodes_.push_back({bpe_.ascii_[first], 1});
      ++pos;
      continue;
    }
    std::size_t end = pos + decode_at(word, pos).length;
    const std::size_t character = end;
    std::uint32_t symbol = kUnknown;
    bpe_.starts_.walk(word, pos, [&](std::uint32_t value, std::size_t at) {
      if ((value & kFrozen) == 0 ? at != character : !ends_character(word, at)) return;
      symbol = value, end = at;
    });
    nodes_.push_back({symbol, static_cast<std::uint32_t>(end - pos)});
    pos = end;
  }
}

void ScoreBpe::Encoder::merge_short() {
  std::array<const Entry*, kShort> merges;  // merges[i] joins nodes i and i + 1
  std::size_t n = nodes_.size();
  const auto find = [&](std::size_t i) { return bpe_.find(nodes_[i].internal, nodes_[i + 1].internal); };
  for (std::size_t i = 0; i + 1 < n; ++i) merges[i] = find(i);
  while (n > 1) {
    std::uint32_t lowest = kNoRank;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (merges[i] != nullptr && merges[i]->rank < lowest) lowest = merges[i]->rank, at = i;
    }
    if (lowest == kNoRank) break;
    nodes_[at] = {merges[at]->result, nodes_[at].length + nodes_[at + 1].length};
    --n;
    for (std::size_t i = at + 1; i < n; ++i) {
      nodes_[i] = nodes_[i + 1];
      if (i + 1 < n) merges[i] = merges[i + 1];
    }
    if (at > 0) merges[at - 1] = find(at - 1);
    if (at + 1 < n) merges[at] = find(at);
  }
  nodes_.resize(n);
}

// A heap of (rank, place) over a linked list; entries that no longer hold are skipped when they come up.
void ScoreBpe::Encoder::merge_long() {
  struct Link {
    std::uint32_t previous, next;
    const Entry* merge;  // with the next one
  };
  constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();
  const auto n = static_cast<std::uint32_t>(nodes_.size());
  std::vector<Link> links(n);
  for (std::uint32_t i = 0; i < n; ++i) links[i] = {i == 0 ? kEnd : i - 1, i + 1 < n ? i + 1 : kEnd, nullptr};
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> heap;
  const auto rate = [&](std::uint32_t i) {
    Link& link = links[i];
    link.merge = link.next == kEnd ? nullptr : bpe_.find(nodes_[i].internal, nodes_[link.next].internal);
    if (link.merge == nullptr) return;
    heap.push(std::uint64_t{link.merge->rank} << 32 | i);
    if (bpe_.is_unused_[link.merge->result]) {
      unused_.insert_or_assign(link.merge->result, std::pair(nodes_[i], nodes_[link.next]));
    }
  };
  for (std::uint32_t i = 0; i < n; ++i) rate(i);
  while (!heap.empty()) {
    const auto rank = static_cast<std::uint32_t>(heap.top() >> 32);
    const auto at = static_cast<std::uint32_t>(heap.top());
    heap.pop();
    Link& left = links[at];
    if (left.merge == nullptr || left.merge->rank != rank) continue;
    Link& right = links[left.next];
    nodes_[at] = {left.merge->result, nodes_[at].length + nodes_[left.next].length};
    left.next = right.next;
    right.merge = nullptr;
    if (left.next != kEnd) links[left.next].previous = at;
    if (left.previous != kEnd) rate(left.previous);
    rate(at);
  }
  std::size_t kept = 0;
  for (std::uint32_t i = n == 0 ? kEnd : 0; i != kEnd; i = links[i].next) nodes_[kept++] = nodes_[i];
  nodes_.resize(kept);
}

void ScoreBpe::Encoder::put(const Node& node, std::vector<Symbol>& out) {
  const auto id_of = [&](const Node& part) {
    return part.internal == kUnknown ? -1 : bpe_.ids_[part.internal & ~kFrozen];
  };
  const auto is_unused = [&](const Node& part) {
    return part.internal < bpe_.is_unused_.size() && bpe_.is_unused_[part.internal];
  };
  if (!is_unused(node)) {
    out.push_back({id_of(node), node.length});
    return;
  }
  std::vector<std::pair<Node, std::size_t>> stack{{node, 0}};
  while (!stack.empty()) {
    const auto [part, depth] = stack.back();
    stack.pop_back();
    if (!is_unused(part) || depth > kMostDepth) {
      out.push_back({id_of(part), part.length});
    } else if (const auto parts = unused_.find(part.internal); parts != unused_.end()) {
      stack.emplace_back(parts->second.second, depth + 1);
      stack.emplace_back(parts->second.first, depth + 1);
    } else {
      out.push_back({-1, part.length});
    }
  }
}

}  // namespace weft::tokenizer
