#include "bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <queue>
#include <string>
#include <utility>

#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kShort = 48;  // symbols up to which a plain search for the lowest rank beats the heap

std::uint64_t load(const char* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t sum = (a ^ std::rotl(b * 0xC2B2AE3D27D4EB4F, 32)) * 0x9E3779B97F4A7C15;
  return sum ^ sum >> 32;
}

// What keeps the first n of 16 bytes, read as two little-endian numbers.
constexpr auto kMasks = [] {
  std::array<std::array<std::uint64_t, 2>, 17> masks{};
  for (std::size_t n = 0; n <= 16; ++n) {
    for (std::size_t half = 0; half < 2; ++half) {
      const std::size_t bytes = std::min<std::size_t>(8, n - std::min(n, 8 * half));
      masks[n][half] = bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1;
    }
  }
  return masks;
}();
static_assert(std::endian::native == std::endian::little);

}  // namespace

// Words with their ids. A new one takes the place of an old one. The small entries fit two to a cache line, the long one's
// are one line; together they stay in the second-level cache.
class Bpe::Cache {
 public:
  static constexpr std::size_t kShortest = 16, kLongest = 40, kMargin = 4;

  struct Small {
    std::uint64_t a = 0, b = 0;  // the word, zeros behind it
    std::array<Token, 3> ids{};
    std::uint16_t bytes = 0, count = 0;  // 0: free
  };
  struct alignas(64) Large {
    std::array<char, kLongest> word{};
    std::array<Token, 5> ids{};
    std::uint8_t bytes = 0, count = 0;
  };

  explicit Cache(std::size_t text_bytes) {
    const std::size_t small = std::clamp<std::size_t>(std::bit_ceil(text_bytes / 8), 64, kSmalls);
    small_.resize(small);
    large_.resize(small / 8);
  }
  [[nodiscard]] bool is_full_size() const { return small_.size() == kSmalls; }

  Small& small(std::uint64_t a, std::uint64_t b) { return small_[mix(a, b) & (small_.size() - 1)]; }
  Large& large(std::string_view word) {
    const char *p = word.data(), *last = p + word.size() - 8;
    std::uint64_t hash = word.size();
    for (; p < last; p += 8) hash = mix(hash, load(p));
    return large_[mix(hash, load(last)) & (large_.size() - 1)];
  }

 private:
  static constexpr std::size_t kSmalls = 1 << 13;
  std::vector<Small> small_;
  std::vector<Large> large_;
};

Bpe::PairTable::PairTable(const std::vector<Merge>& merges, std::size_t ids)
    : id_bits_(std::bit_width(ids)), rank_bits_(std::bit_width(merges.size())) {
  if (2 * id_bits_ + rank_bits_ > 64) {
    throw Error(ErrorCode::kTooLarge,
                std::to_string(ids) + " ids and " + std::to_string(merges.size()) + " merges are too many together",
                "model", "use a smaller vocabulary");
  }
  slots_.assign(std::bit_ceil(merges.size() + merges.size() / 2 + 2), kFree);
  mask_ = slots_.size() - 1;
  shift_ = 64 - std::countr_zero(slots_.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = key(merges[rank].left, merges[rank].right);
    std::size_t at = place(pair);
    while (slots_[at] != kFree && slots_[at] >> rank_bits_ != pair) at = (at + 1) & mask_;
    slots_[at] = pair << rank_bits_ | rank;
  }
}

Bpe::Bpe(const std::vector<Merge>& merges, BpeAlphabet alphabet, PieceTable words, bool whole_words)
    : pairs_(merges, words.size()),
      alphabet_(std::move(alphabet)),
      whole_words_(whole_words),
      words_(std::move(words)),
      spares_(std::make_unique<std::array<std::atomic<Cache*>, kSpares>>()) {
  results_.reserve(merges.size());
  for (const Merge& merge : merges) results_.push_back(merge.result);
  own_merge_ = std::make_unique<std::atomic<std::uint8_t>[]>(words_.size());
  if (alphabet_.bytes() == nullptr) return;

  find_origins(merges);
  std::vector<PieceTrie::Entry> sound;
  std::vector<Token> others;
  for (Token id = 0; id < static_cast<Token>(words_.size()); ++id) {
    if (!words_.has(id)) continue;
    if (origins_[static_cast<std::size_t>(id)].length > 0) {
      sound.push_back({words_[id], static_cast<std::uint32_t>(id)});
    } else if (words_.find(words_[id]) == id) {
      others.push_back(id);
    }
  }
  if (words_.size() >= PieceTrie::kValues) return;
  sound_ = PieceTrie(std::move(sound));
  by_match_ = true;
  PieceTable rest;
  if (whole_words_ && !others.empty()) {
    rest.resize(words_.size());
    for (const Token id : others) rest.set(id, words_[id]), rest.index(id);
  }
  words_ = std::move(rest);
  own_merge_.reset();
}

Bpe::~Bpe() {
  if (spares_ == nullptr) return;
  for (std::atomic<Cache*>& spare : *spares_) delete spare.load();
}

void Bpe::find_origins(const std::vector<Merge>& merges) {
  origins_.resize(words_.size());
  const auto origin = [&](Token id) -> Origin& { return origins_[static_cast<std::size_t>(id)]; };
  for (const Token id : *alphabet_.bytes()) origin(id).length = 1;
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right, result] = merges[rank];
    const std::uint32_t lengths[] = {origin(left).length, origin(right).length};
    if (lengths[0] == 0 || lengths[1] == 0 || origin(result).length != 0) continue;
    if (pairs_.find(left, right) != rank || !stay_apart(left, right, rank)) continue;
    origin(result) = {left, right, rank + 1, lengths[0] + lengths[1]};
  }
  // What no ascending sequence of merges makes may still be made by another: a vocabulary that was extended (Llama 3's) has
  // halves that come later than the whole.
  for (const Token id : results_) {
    if (origin(id).length != 0 || !words_.has(id) || !is_its_own_merge(id)) continue;
    origin(id) = {.made = kOutOfOrder, .length = static_cast<std::uint32_t>(words_[id].size())};
  }
}

// Whether no merge crosses the border of two sound tokens when their bytes are merged, up to and without rank `limit`.
// Takes the tokens apart, last merge first: a merge of two parts that face each other happens if its rank is lower than those
// of the merges that made them one with their other neighbours. Of two with one rank, the left one comes first.
bool Bpe::stay_apart(Token left, Token right, std::uint32_t limit) const {
  for (;;) {
    if (pairs_.find(left, right) < limit) return false;
    const Origin& a = origins_[static_cast<std::size_t>(left)];
    const Origin& b = origins_[static_cast<std::size_t>(right)];
    if (a.made > b.made) {
      limit = a.made - 1;
      left = a.right;
    } else {
      if (b.made == 0) return true;
      limit = b.made;
      right = b.left;
    }
  }
}

// The same for two sound tokens of any kind, that `text` spells.
bool Bpe::stay_apart(Token left, Token right, std::string_view text) const {
  const auto made = [&](Token id) { return origins_[static_cast<std::size_t>(id)].made; };
  if (made(left) != kOutOfOrder && made(right) != kOutOfOrder) return stay_apart(left, right, kNoRank);
  std::vector<Token> symbols;
  merge_word(text, symbols);
  return symbols.size() == 2 && symbols[0] == left && symbols[1] == right;
}

Token* Bpe::encode_by_match(std::string_view word, Token* out) const {
  Token* const first = out;
  std::vector<bool> dead;  // places that no tokens lead on from
  std::size_t pos = 0;
  PieceTrie::Longest next = sound_.longest(word, 0);
  for (;;) {
    const auto token = static_cast<Token>(next.value);
    const auto fits = [&] {
      const std::size_t left = pos - origins_[static_cast<std::size_t>(out[-1])].length;
      return stay_apart(out[-1], token, word.substr(left, next.end - left));
    };
    if ((dead.empty() || !dead[next.end]) && (out == first || fits())) {
      *out++ = token;
      pos = next.end;
      if (pos == word.size()) return out;
      next = sound_.longest(word, pos);
      continue;
    }
    if (next.end - pos > 1) {
      next = sound_.longest(word.substr(0, next.end - 1), pos);
      continue;
    }
    // Nothing fits here. The way to a place is the only one, so no other way to it will do better.
    if (dead.empty()) dead.resize(word.size() + 1);
    dead[pos] = true;
    const Token last = *--out;
    next = {static_cast<std::uint32_t>(last), pos};
    pos -= origins_[static_cast<std::size_t>(last)].length;
  }
}

Token* Bpe::encode_word(std::string_view word, Token* out) const {
  if (const Token id = find_whole(word); id >= 0) {
    *out = id;
    return out + 1;
  }
  if (by_match_) return encode_by_match(word, out);
  std::vector<Token> symbols;
  merge_word(word, symbols);
  return std::copy(symbols.begin(), symbols.end(), out);
}

Bpe::Encoder::Encoder(const Bpe& bpe, std::size_t text_bytes) : bpe_(bpe) {
  for (std::atomic<Cache*>& spare : *bpe.spares_) {
    if (spare.load(std::memory_order_relaxed) == nullptr) continue;
    cache_.reset(spare.exchange(nullptr, std::memory_order_acquire));
    if (cache_ != nullptr) return;
  }
  cache_ = std::make_unique<Cache>(text_bytes);
}

Bpe::Encoder::~Encoder() {
  if (!cache_->is_full_size()) return;
  for (std::atomic<Cache*>& spare : *bpe_.spares_) {
    Cache* none = nullptr;
    if (!spare.compare_exchange_strong(none, cache_.get(), std::memory_order_release, std::memory_order_relaxed)) continue;
    (void)cache_.release();
    return;
  }
}

void Bpe::Encoder::encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) {
  std::size_t bytes = 0;
  for (const Range& word : words) bytes += word.size();
  // Room for all that may come; a cached word is stored with what follows.
  const std::size_t most = bytes * bpe_.alphabet_.most_ids_of_a_byte() + Cache::kMargin;
  if (ids_.size() < most) ids_.resize(most);
  Token* out = ids_.data();
  Cache& cache = *cache_;
  for (const Range& range : words) {
    const char* const p = text.data() + range.begin;
    const std::size_t n = range.size();
    if (n <= Cache::kShortest) {
      std::uint64_t a, b;
      if (range.begin + Cache::kShortest <= text.size()) {
        a = load(p) & kMasks[n][0], b = load(p + 8) & kMasks[n][1];
      } else {
        char padded[Cache::kShortest] = {};
        std::memcpy(padded, p, n);
        a = load(padded), b = load(padded + 8);
      }
      Cache::Small& known = cache.small(a, b);
      if (known.a == a && known.b == b && known.bytes == n) {
        std::memcpy(out, known.ids.data(), sizeof known.ids);
        out += known.count;
        continue;
      }
      Token* const end = bpe_.encode_word({p, n}, out);
      const auto count = static_cast<std::size_t>(end - out);
      if (count <= known.ids.size()) {
        known.a = a, known.b = b;
        std::copy(out, end, known.ids.begin());
        known.bytes = static_cast<std::uint16_t>(n), known.count = static_cast<std::uint16_t>(count);
      }
      out = end;
    } else if (n <= Cache::kLongest) {
      Cache::Large& known = cache.large({p, n});
      if (known.bytes == n && std::memcmp(known.word.data(), p, n) == 0) {
        out = std::copy_n(known.ids.begin(), known.count, out);
        continue;
      }
      Token* const end = bpe_.encode_word({p, n}, out);
      const auto count = static_cast<std::size_t>(end - out);
      if (count <= known.ids.size()) {
        std::memcpy(known.word.data(), p, n);
        std::copy(out, end, known.ids.begin());
        known.bytes = static_cast<std::uint8_t>(n), known.count = static_cast<std::uint8_t>(count);
      }
      out = end;
    } else {
      out = bpe_.encode_word({p, n}, out);
    }
  }
  ids.insert(ids.end(), ids_.data(), out);
}

void Bpe::Encoder::encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) {
  if (const Token id = bpe_.whole_words_ ? bpe_.find_whole(word) : -1; id >= 0) {
    ids.push_back(id);
    places.push_back({0, word.size()});
    return;
  }
  std::vector<Token> symbols;
  std::vector<std::uint32_t> lengths;
  bpe_.alphabet_.start(word, symbols, &lengths);
  bpe_.merge_long(symbols, &lengths);
  std::size_t pos = 0;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    ids.push_back(symbols[i]);
    places.push_back({pos, pos + lengths[i]});
    pos += lengths[i];
  }
}

Token Bpe::find_whole(std::string_view word) const {
  if (words_.empty() || (alphabet_.has_affixes() && !whole_words_)) return -1;
  const Token id = words_.find(word);
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
  std::array<std::uint32_t, kShort> ranks;  // ranks[i] is of the merge of symbols i and i + 1
  std::size_t n = symbols.size();
  for (std::size_t i = 0; i + 1 < n; ++i) ranks[i] = pairs_.find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    std::uint32_t lowest = kNoRank;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (ranks[i] < lowest) lowest = ranks[i], at = i;
    }
    if (lowest == kNoRank) break;
    symbols[at] = results_[lowest];
    --n;
    for (std::size_t i = at + 1; i < n; ++i) {
      symbols[i] = symbols[i + 1];
      if (i + 1 < n) ranks[i] = ranks[i + 1];
    }
    if (at > 0) ranks[at - 1] = pairs_.find(symbols[at - 1], symbols[at]);
    if (at + 1 < n) ranks[at] = pairs_.find(symbols[at], symbols[at + 1]);
  }
  symbols.resize(n);
}

// A heap of (rank, place) over a linked list; entries that no longer hold are skipped when they come up.
void Bpe::merge_long(std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths) const {
  struct Symbol {
    Token id;
    std::uint32_t previous, next;
    std::uint32_t rank;  // of the merge with the next one
  };
  constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();
  const auto n = static_cast<std::uint32_t>(symbols.size());
  std::vector<Symbol> list(n);
  for (std::uint32_t i = 0; i < n; ++i)
    list[i] = {symbols[i], i == 0 ? kEnd : i - 1, i + 1 < n ? i + 1 : kEnd, kNoRank};

  std::vector<std::uint64_t> entries;
  entries.reserve(n);
  const auto rate = [&](std::uint32_t i) {
    list[i].rank = list[i].next == kEnd ? kNoRank : pairs_.find(list[i].id, list[list[i].next].id);
    return list[i].rank != kNoRank;
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
    left.id = results_[rank];
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
