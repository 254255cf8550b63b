#include "bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>
#include <utility>

namespace weft::tokenizer {
namespace {

constexpr std::size_t kShort = 48;          // symbols up to which a plain search for the lowest rank beats the heap
constexpr std::size_t kRemember = 4096;     // bytes of a text whose words are worth remembering
constexpr std::size_t kMaxKnown = 1 << 14;  // words
constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

}  // namespace

Bpe::PairTable::PairTable(const std::vector<Merge>& merges)
    : entries_(std::bit_ceil(merges.size() + merges.size() / 2 + 2), Entry{kFree, 0, 0}), mask_(entries_.size() - 1) {
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = key(merges[rank].left, merges[rank].right);
    std::size_t at = place(pair);
    while (entries_[at].pair != kFree && entries_[at].pair != pair) at = (at + 1) & mask_;
    entries_[at] = {pair, static_cast<std::uint32_t>(rank), merges[rank].result};
  }
}

Bpe::Bpe(const std::vector<Merge>& merges, BpeAlphabet alphabet, PieceTable words, bool whole_words)
    : pairs_(merges),
      alphabet_(std::move(alphabet)),
      words_(std::move(words)),
      whole_words_(whole_words),
      own_merge_(std::make_unique<std::atomic<std::uint8_t>[]>(words_.size())) {}

Bpe::Encoder::Encoder(const Bpe& bpe, std::size_t text_bytes) : bpe_(bpe) {
  if (text_bytes >= kRemember) known_.resize(std::min(kMaxKnown, std::bit_ceil(text_bytes / 16)));
}

void Bpe::Encoder::encode(std::string_view word, std::vector<Token>& ids) {
  const bool is_short = word.size() <= ShortKey::kLongest;
  const std::uint64_t hash = hash_of(word);
  Known* known = is_short && !known_.empty() ? &known_[hash & (known_.size() - 1)] : nullptr;
  const ShortKey key = known != nullptr ? ShortKey(word.data(), word.size()) : ShortKey();
  if (known != nullptr && known->bytes == word.size() && known->key == key) {
    ids.push_back(known->ids[0]);
    for (std::size_t i = 1; i < known->count; ++i) ids.push_back(known->ids[i]);
    return;
  }
  symbols_.clear();
  if (const Token id = bpe_.find_whole(word, hash); id >= 0) {
    symbols_.push_back(id);
  } else {
    bpe_.merge_word(word, symbols_);
  }
  ids.insert(ids.end(), symbols_.begin(), symbols_.end());
  if (known != nullptr && !symbols_.empty() && symbols_.size() <= Known::kMost) {
    known->key = key;
    std::copy(symbols_.begin(), symbols_.end(), known->ids.begin());
    known->bytes = static_cast<std::uint8_t>(word.size());
    known->count = static_cast<std::uint8_t>(symbols_.size());
  }
}

void Bpe::Encoder::encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) {
  if (bpe_.whole_words_) {
    if (const Token id = bpe_.words_.find(word); id >= 0) {
      ids.push_back(id);
      places.push_back({0, word.size()});
      return;
    }
  }
  symbols_.clear();
  lengths_.clear();
  bpe_.alphabet_.start(word, symbols_, &lengths_);
  bpe_.merge_long(symbols_, &lengths_);
  ids.insert(ids.end(), symbols_.begin(), symbols_.end());
  std::size_t pos = 0;
  for (const std::uint32_t length : lengths_) {
    places.push_back({pos, pos + length});
    pos += length;
  }
}

Token Bpe::find_whole(std::string_view word, std::uint64_t hash) const {
  if (alphabet_.has_affixes() && !whole_words_) return -1;
  const Token id = words_.find(word, hash);
  return id >= 0 && (whole_words_ || is_its_own_merge(id)) ? id : -1;
}

bool Bpe::is_its_own_merge(Token id) const {
  std::atomic<std::uint8_t>& known = own_merge_[static_cast<std::size_t>(id)];
  std::uint8_t answer = known.load(std::memory_order_relaxed);
  if (answer == 0) {
    std::vector<Token> symbols;
    merge_word(words_[id], symbols);
    answer = symbols.size() == 1 && symbols[0] == id ? 1 : 2;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == 1;
}

void Bpe::merge_word(std::string_view word, std::vector<Token>& symbols) const {
  alphabet_.start(word, symbols);
  if (symbols.size() <= kShort) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
}

void Bpe::merge_short(std::vector<Token>& symbols) const {
  std::array<const PairTable::Entry*, kShort> merges;  // merges[i] joins symbols i and i + 1
  std::size_t n = symbols.size();
  for (std::size_t i = 0; i + 1 < n; ++i) merges[i] = pairs_.find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    std::uint32_t lowest = kNoRank;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (merges[i] != nullptr && merges[i]->rank < lowest) lowest = merges[i]->rank, at = i;
    }
    if (lowest == kNoRank) break;
    symbols[at] = merges[at]->result;
    --n;
    for (std::size_t i = at + 1; i < n; ++i) {
      symbols[i] = symbols[i + 1];
      if (i + 1 < n) merges[i] = merges[i + 1];
    }
    if (at > 0) merges[at - 1] = pairs_.find(symbols[at - 1], symbols[at]);
    if (at + 1 < n) merges[at] = pairs_.find(symbols[at], symbols[at + 1]);
  }
  symbols.resize(n);
}

// A heap of (rank, place) over a linked list; entries that no longer hold are skipped when they come up.
void Bpe::merge_long(std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths) const {
  struct Symbol {
    Token id;
    std::uint32_t previous, next;
    std::uint32_t rank;  // of the merge with the next one
    Token result;
  };
  constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();
  const auto n = static_cast<std::uint32_t>(symbols.size());
  std::vector<Symbol> list(n);
  for (std::uint32_t i = 0; i < n; ++i)
    list[i] = {symbols[i], i == 0 ? kEnd : i - 1, i + 1 < n ? i + 1 : kEnd, kNoRank, -1};

  std::vector<std::uint64_t> entries;
  entries.reserve(n);
  const auto rate = [&](std::uint32_t i) {
    const auto* merge = list[i].next == kEnd ? nullptr : pairs_.find(list[i].id, list[list[i].next].id);
    list[i].rank = merge == nullptr ? kNoRank : merge->rank;
    list[i].result = merge == nullptr ? -1 : merge->result;
    return merge != nullptr;
  };
  const auto entry = [&](std::uint32_t i) { return std::uint64_t{list[i].rank} << 32 | i; };
  for (std::uint32_t i = 0; i < n; ++i) {
    if (rate(i)) entries.push_back(entry(i));
  }
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> heap(std::greater<>{},
                                                                                      std::move(entries));
  while (!heap.empty()) {
    const auto rank = static_cast<std::uint32_t>(heap.top() >> 32);
    const auto at = static_cast<std::uint32_t>(heap.top());
    heap.pop();
    Symbol& left = list[at];
    if (left.rank != rank) continue;
    Symbol& right = list[left.next];
    if (lengths != nullptr) (*lengths)[at] += (*lengths)[left.next];
    left.id = left.result;
    left.next = right.next;
    right.rank = kNoRank;
    if (left.next != kEnd) list[left.next].previous = at;
    if (rate(at)) heap.push(entry(at));
    if (left.previous != kEnd && rate(left.previous)) heap.push(entry(left.previous));
  }
  std::size_t kept = 0;
  for (std::uint32_t i = n == 0 ? kEnd : 0; i != kEnd; i = list[i].next) {
    if (lengths != nullptr) (*lengths)[kept] = (*lengths)[i];
    symbols[kept++] = list[i].id;
  }
  symbols.resize(kept);
  if (lengths != nullptr) lengths->resize(kept);
}

}  // namespace weft::tokenizer
