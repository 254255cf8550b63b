#include "bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <queue>
#include <string>
#include <utility>

#include "spares.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kShort = 48;  // symbols up to which a plain search for the lowest rank beats the heap

}  // namespace

// Words with their ids. A new one takes the place of an old one. Two small entries are a cache line, and so is a large one, for
// longer words and those of more ids; together they stay in the second-level cache, until very much has been encoded.
class alignas(128) Bpe::Cache {
 public:
  static constexpr std::size_t kLongest = 40, kMargin = 16;

  struct alignas(32) Small {
    ShortWord word;
    std::array<Token, 3> ids{};
    std::uint16_t bytes = 0, count = 0;  // 0: free
  };
  struct alignas(64) Large {
    std::array<Token, 15> ids_and_word{};  // the one from the start on, the other up to the end
    std::uint8_t bytes = 0, count = 0;     // 0: free

    [[nodiscard]] static bool fits(std::size_t size, std::size_t ids) { return size + ids * sizeof(Token) <= sizeof ids_and_word; }
    [[nodiscard]] char* word() { return reinterpret_cast<char*>(ids_and_word.data() + ids_and_word.size()) - bytes; }
  };

  /// Makes it as large as suits so many bytes of text in all.
  void grow(std::size_t bytes) {
    const std::size_t wanted = bytes < kMuch ? std::min(kSmalls, bytes / 8) : 4 * kSmalls;
    if (!small_.empty() && small_.size() >= wanted) return;
    grow_cache(small_, wanted);
    large_.resize(small_.size() / 4);
    borders_.resize(small_.size() * 2, ~std::uint64_t{0});
  }

  Small& small(std::uint64_t hash) { return small_[hash & (small_.size() - 1)]; }
  Large& large(std::uint64_t hash) { return large_[hash & (large_.size() - 1)]; }
  static std::uint64_t hash_of(std::string_view word) {  // of 8 bytes or more
    const char *p = word.data(), *last = p + word.size() - 8;
    std::uint64_t hash = word.size();
    for (; p < last; p += 8) hash = ShortWord::mix(hash, ShortWord::load(p));
    return ShortWord::mix(hash, ShortWord::load(last));
  }
  /// Where two neighbours are kept, the left one in the upper half, once it is known whether a merge crosses their border;
  /// with kCrossed, one does.
  std::uint64_t& border(std::uint64_t pair) { return borders_[(pair * 0x9E3779B97F4A7C15 >> 40) & (borders_.size() - 1)]; }
  static constexpr std::uint64_t kCrossed = std::uint64_t{1} << 63;

  /// @name For one word at a time.
  /// @{
  std::vector<PieceTrie::Longest> shorter;
  std::vector<bool> dead;
  /// @}

 private:
  static constexpr std::size_t kSmalls = 1 << 14;
  static constexpr std::size_t kMuch = std::size_t{16} << 20;  // from so many bytes on, knowing more words is worth the memory
  std::vector<Small> small_;
  std::vector<Large> large_;
  std::vector<std::uint64_t> borders_;
};

Bpe::PairTable::PairTable(const std::vector<Merge>& merges, std::size_t ids)
    : id_bits_(std::bit_width(ids)), rank_bits_(std::bit_width(merges.size())) {
  if (2 * id_bits_ + rank_bits_ > 64) {
    throw Error(ErrorCode::kTooLarge,
                std::to_string(ids) + " ids and " + std::to_string(merges.size()) + " merges are too many together",
                "model", "use a smaller vocabulary");
  }
  slots_.resize(std::bit_ceil(merges.size() + merges.size() / 2 + 2), kFree);
  known_.resize(std::bit_ceil(merges.size() / 16 + 1));
  (void)prepare();
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = key(merges[rank].left, merges[rank].right);
    const std::uint64_t bit = mixed(pair) >> known_shift_;
    known_.at(static_cast<std::size_t>(bit >> 6)) |= std::uint64_t{1} << (bit & 63);
    auto at = static_cast<std::size_t>(mixed(pair) >> shift_);
    while (slots_[at] != kFree && slots_[at] >> rank_bits_ != pair) at = (at + 1) & mask_;
    slots_.at(at) = pair << rank_bits_ | rank;
  }
}

bool Bpe::PairTable::prepare() {
  const bool right = slots_.size() >= 2 && std::has_single_bit(slots_.size()) && id_bits_ > 0 && id_bits_ <= 31 &&
                     rank_bits_ >= 0 && 2 * id_bits_ + rank_bits_ <= 64 && std::has_single_bit(known_.size());
  if (!right) return false;
  mask_ = slots_.size() - 1;
  shift_ = 64 - std::countr_zero(slots_.size());
  known_shift_ = 58 - std::countr_zero(known_.size());
  return std::find(slots_.begin(), slots_.end(), kFree) != slots_.end();
}

Bpe::Bpe(std::vector<Merge> merges, BpeAlphabet alphabet, PieceTable words, bool whole_words)
    : pairs_(merges, words.size()),
      alphabet_(std::move(alphabet)),
      whole_words_(whole_words),
      words_(std::move(words)) {
  std::vector<Token> results;
  results.reserve(merges.size());
  for (const Merge& merge : merges) results.push_back(merge.result);
  results_ = Array<Token>(std::move(results));
  own_merge_ = std::make_unique<std::atomic<std::uint8_t>[]>(words_.size());
  // What stands for unknown characters must never merge: a word is then as good as cut there.
  if (!alphabet_.stands_alone() || words_.size() >= PieceTrie::kValues ||
      std::any_of(merges.begin(), merges.end(), [&](const Merge& merge) {
        return alphabet_.is_substitute(merge.left) || alphabet_.is_substitute(merge.right);
      })) {
    words_.reserve(words_.size());
    for (Token id = 0; id < static_cast<Token>(words_.size()); ++id) {
      if (words_.has(id)) words_.index(id);
    }
    return;
  }

  find_origins(merges);
  std::vector<Merge>().swap(merges);
  std::vector<PieceTrie::Entry> sound, others;
  for (Token id = 0; id < static_cast<Token>(words_.size()); ++id) {
    if (!words_.has(id)) continue;
    if (origins_[static_cast<std::size_t>(id)].length > 0) {
      sound.push_back({words_[id], static_cast<std::uint32_t>(id)});
    } else if (whole_words_) {
      others.push_back({words_[id], static_cast<std::uint32_t>(id)});
    }
  }
  std::vector<PieceTrie::Entry> whole = sound;
  sound_ = PieceTrie(std::move(sound));
  // Some files have one piece under several ids: the one that merges make counts, then the first.
  std::erase_if(others, [&](const auto& entry) { return sound_.find(entry.piece) != PieceTrie::kValues; });
  std::reverse(others.begin(), others.end());
  any_others_ = !others.empty();
  whole.insert(whole.end(), others.begin(), others.end());
  others_ = PieceTrie(std::move(others));
  whole_ = WordTable(whole);
  by_match_ = true;
  words_ = PieceTable();
  own_merge_.reset();
}

// What is large and costly to check is looked at where it is used: ranks, and what tokens are made of.
void Bpe::check(const CompiledReader& reader) {
  reader.demand(!by_match_ || (alphabet_.stands_alone() && sound_.values_below(origins_.size()) &&
                               others_.values_below(origins_.size())),
                "has a token that nothing is known of");
  if (!by_match_) own_merge_ = std::make_unique<std::atomic<std::uint8_t>[]>(words_.size());
}

bool Bpe::ids_below(std::size_t limit) const {
  return std::all_of(results_.begin(), results_.end(),
                     [&](Token id) { return id >= 0 && id < static_cast<std::int64_t>(limit); }) &&
         alphabet_.ids_below(limit) && origins_.size() <= limit && words_.size() <= limit;
}

void Bpe::find_origins(const std::vector<Merge>& merges) {
  origins_.resize(words_.size());
  const auto origin = [&](Token id) -> Origin& { return origins_.at(static_cast<std::size_t>(id)); };
  for (Token id = 0; id < static_cast<Token>(words_.size()); ++id) {
    if (words_.has(id) && alphabet_.is_symbol(id, words_[id])) {
      origin(id).length = static_cast<std::uint32_t>(words_[id].size());
    }
  }
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right, result] = merges[rank];
    const std::uint32_t lengths[] = {origin(left).length, origin(right).length};
    if (lengths[0] == 0 || lengths[1] == 0 || origin(result).length != 0) continue;
    if (pairs_.find(left, right) != rank || !parts_stay_apart(left, right, rank)) continue;
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
  return pairs_.find(left, right) >= limit && parts_stay_apart(left, right, limit);
}

bool Bpe::parts_stay_apart(Token left, Token right, std::uint32_t limit) const {
  // A part is always made before the whole; the tables of a forged file may say otherwise, and must not keep us here.
  const auto is_part = [&](Token id, const Origin& whole) {
    return static_cast<std::uint32_t>(id) < origins_.size() && origins_[static_cast<std::size_t>(id)].made < whole.made;
  };
  for (;;) {
    const Origin& a = origins_[static_cast<std::size_t>(left)];
    const Origin& b = origins_[static_cast<std::size_t>(right)];
    if (a.made > b.made) {
      limit = a.made - 1;
      left = a.right;
      if (!is_part(left, a)) return false;
    } else {
      if (b.made == 0) return true;
      limit = b.made;
      right = b.left;
      if (!is_part(right, b)) return false;
    }
    if (pairs_.find(left, right) < limit) return false;
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

Token* Bpe::encode_by_match(std::string_view word, Cache& cache, Token* out) const {
  Token* const start = out;
  Token* first = out;      // since the last unknown character
  std::vector<bool>& dead = cache.dead;  // places that no tokens lead on from; if there are any
  dead.clear();
  // The tokens at one place that are shorter than the one that was tried there last.
  std::vector<PieceTrie::Longest>& shorter = cache.shorter;
  std::size_t shorter_at, pos = 0;
  PieceTrie::Longest next;
  const auto look = [&](std::size_t most) {
    shorter.clear();
    shorter_at = pos;
    sound_.walk(word.substr(0, most), pos, [&](std::uint32_t value, std::size_t end) { shorter.push_back({value, end}); });
  };
  const auto take_longest = [&] {
    if (shorter.empty()) return false;
    next = shorter.back();
    shorter.pop_back();
    return true;
  };
  const auto step = [&] {
    look(word.size());
    if (!take_longest()) next = {PieceTrie::kValues, pos};
  };
  step();
  const auto length_of = [&](Token id) { return origins_[static_cast<std::size_t>(id)].length; };
  // Only where tables contradict each other, as those of a forged file may.
  const auto give_up = [&] {
    std::vector<Token> symbols;
    merge_word(word, symbols);
    return std::copy(symbols.begin(), symbols.end(), start);
  };
  for (;;) {
    if (next.value == PieceTrie::kValues) {  // unknown; only an alphabet of characters has such
      if (!ends_character(word, pos)) return give_up();
      const std::size_t end = unknown_end(word, pos);
      std::vector<Token> symbols;
      alphabet_.start(word.substr(pos, end - pos), symbols);
      first = out = std::copy(symbols.begin(), symbols.end(), out);
      pos = end;
      if (pos == word.size()) return out;
      step();
      continue;
    }
    const auto token = static_cast<Token>(next.value);
    const auto fits = [&] {
      const std::uint64_t pair = static_cast<std::uint64_t>(out[-1]) << 32 | static_cast<std::uint32_t>(token);
      std::uint64_t& known = cache.border(pair);
      if ((known & ~Cache::kCrossed) == pair) return known == pair;
      const std::size_t left = length_of(out[-1]);
      const bool apart = left <= pos && stay_apart(out[-1], token, word.substr(pos - left, next.end - pos + left));
      known = apart ? pair : pair | Cache::kCrossed;
      return apart;
    };
    if ((dead.empty() || !dead[next.end]) && (out == first || fits())) {
      *out++ = token;
      pos = next.end;
      if (pos == word.size()) return out;
      step();
      continue;
    }
    if (shorter_at != pos) look(next.end - 1);
    if (take_longest()) continue;
    // Nothing fits here. The way to a place is the only one, so no other way to it will do better.
    if (dead.empty()) dead.resize(word.size() + 1);
    dead[pos] = true;
    if (out == first) return give_up();
    const Token last = *--out;
    if (length_of(last) > pos || static_cast<std::size_t>(out - start) > pos - length_of(last)) return give_up();
    next = {static_cast<std::uint32_t>(last), pos};
    pos -= length_of(last);
  }
}

Token* Bpe::encode_word(std::string_view word, Cache& cache, Token* out) const {
  if (const Token id = find_whole(word); id >= 0) {
    *out = id;
    return out + 1;
  }
  if (by_match_) return encode_by_match(word, cache, out);
  std::vector<Token> symbols;
  merge_word(word, symbols);
  return std::copy(symbols.begin(), symbols.end(), out);
}

Bpe::Encoder::Encoder(const Bpe& bpe) : bpe_(bpe), cache_(std::make_unique<Cache>()) {}

Bpe::Encoder::~Encoder() = default;

void Bpe::Encoder::begin(std::size_t text_bytes) {
  seen_ += text_bytes;
  cache_->grow(seen_);
}

void Bpe::Encoder::end() {
  give_back(ids_);
  give_back(cache_->shorter);
  give_back(cache_->dead);
}

// A word of at most Cache::kLongest bytes that isn't a small entry.
Token* Bpe::Encoder::encode_long(std::string_view word, std::uint64_t hash, Token* out) {
  Cache::Large& known = cache_->large(hash);
  if (known.bytes == word.size() && std::memcmp(known.word(), word.data(), word.size()) == 0) {
    std::memcpy(out, known.ids_and_word.data(), sizeof known.ids_and_word);
    return out + known.count;
  }
  Token* const end = bpe_.encode_word(word, *cache_, out);
  const auto count = static_cast<std::size_t>(end - out);
  if (Cache::Large::fits(word.size(), count) && (word.size() > ShortWord::kLongest || count > Cache::Small{}.ids.size())) {
    known.bytes = static_cast<std::uint8_t>(word.size()), known.count = static_cast<std::uint8_t>(count);
    word.copy(known.word(), word.size());
    std::copy(out, end, known.ids_and_word.begin());
  }
  return end;
}

void Bpe::Encoder::encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) {
  std::size_t bytes = 0;
  for (const Range& word : words) bytes += word.size();
  // Room for all that may come; a cached word is stored with what follows.
  const std::size_t most = bytes * bpe_.alphabet_.most_ids_of_a_byte() + Cache::kMargin;
  if (ids_.size() < most) ids_.resize(most);
  Token* out = ids_.data();
  Cache& cache = *cache_;
  // What words need lies anywhere in tables larger than the processor's nearest caches: it is asked for some words ahead.
  constexpr std::size_t kAhead = 32;
  std::array<ShortWord, kAhead> short_words;
  std::array<std::uint64_t, kAhead> hashes;
  for (std::size_t first = 0; first < words.size(); first += kAhead) {
    const std::span<const Range> some = words.subspan(first, std::min(kAhead, words.size() - first));
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (some[i].size() > ShortWord::kLongest) continue;
      short_words[i] = ShortWord::of(text, some[i].begin, some[i].size());
      hashes[i] = short_words[i].hash();
      __builtin_prefetch(&cache.small(hashes[i]));
    }
    if (!bpe_.whole_.empty()) {
      for (std::size_t i = 0; i < some.size(); ++i) {
        if (some[i].size() <= WordTable::kLongest && cache.small(hashes[i]).word != short_words[i]) bpe_.whole_.prefetch(hashes[i]);
      }
    }
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::size_t n = some[i].size();
      const std::string_view word = text.substr(some[i].begin, n);
      if (n > ShortWord::kLongest) {
        out = n <= Cache::kLongest ? encode_long(word, Cache::hash_of(word), out) : bpe_.encode_word(word, cache, out);
        continue;
      }
      Cache::Small& known = cache.small(hashes[i]);
      if (known.word == short_words[i] && known.bytes == n) {
        std::memcpy(out, known.ids.data(), sizeof known.ids);
        out += known.count;
        continue;
      }
      Token* end = out;
      if (const Token id = bpe_.find_short(short_words[i], n, hashes[i]); id >= 0) {
        *end++ = id;
      } else {
        end = encode_long(word, hashes[i] >> 16, out);
      }
      const auto count = static_cast<std::size_t>(end - out);
      if (count <= known.ids.size()) {
        known.word = short_words[i];
        std::copy(out, end, known.ids.begin());
        known.bytes = static_cast<std::uint16_t>(n), known.count = static_cast<std::uint16_t>(count);
      }
      out = end;
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
  if (bpe_.by_match_ && encode_matched(word, ids, places)) return;
  std::vector<Token> symbols;
  std::vector<std::uint32_t> lengths;
  bpe_.alphabet_.start(word, symbols, &lengths);
  bpe_.merge_long(symbols, &lengths);
  std::size_t pos = 0;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i] != BpeAlphabet::kGap) {
      ids.push_back(symbols[i]);
      places.push_back({pos, pos + lengths[i]});
    }
    pos += lengths[i];
  }
}

// The ids of encode(), and where they stand: each is spelled by its bytes, or one of those that an unknown run becomes. Does
// nothing where that isn't so, as with whole words that merges don't make.
bool Bpe::Encoder::encode_matched(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) {
  const std::size_t ids_before = ids.size(), places_before = places.size();
  const Range whole{0, word.size()};
  encode(word, {&whole, 1}, ids);
  std::size_t pos = 0;
  for (std::size_t i = ids_before; i < ids.size(); ++i) {
    if (bpe_.alphabet_.is_substitute(ids[i])) {
      if (!bpe_.is_unknown_at(word, pos)) break;
      std::vector<Token> symbols;
      std::vector<std::uint32_t> lengths;
      bpe_.alphabet_.start(word.substr(pos, bpe_.unknown_end(word, pos) - pos), symbols, &lengths);
      if (symbols.size() > ids.size() - i || !std::equal(symbols.begin(), symbols.end(), &ids[i])) break;
      for (const std::uint32_t length : lengths) {
        places.push_back({pos, pos + length});
        pos += length;
      }
      i += symbols.size() - 1;
      continue;
    }
    const std::size_t length = bpe_.origins_[static_cast<std::size_t>(ids[i])].length;
    if (length == 0 || length > word.size() - pos) break;
    places.push_back({pos, pos + length});
    pos += length;
  }
  if (pos == word.size() && places.size() - places_before == ids.size() - ids_before) return true;
  ids.resize(ids_before);
  places.resize(places_before);
  return false;
}

Token Bpe::find_whole(std::string_view word) const {
  if (by_match_) {
    const std::uint32_t id = any_others_ ? others_.find(word) : PieceTrie::kValues;
    return id == PieceTrie::kValues ? -1 : static_cast<Token>(id);
  }
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
  if (alphabet_.leaves_gaps()) std::erase(symbols, BpeAlphabet::kGap);
}

void Bpe::merge_short(std::vector<Token>& symbols) const {
  std::array<std::uint32_t, kShort> ranks;  // ranks[i] is of the merge of symbols i and i + 1
  std::size_t n = symbols.size();
  for (std::size_t i = 0; i + 1 < n; ++i) ranks[i] = rank_of(symbols[i], symbols[i + 1]);
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
    if (at > 0) ranks[at - 1] = rank_of(symbols[at - 1], symbols[at]);
    if (at + 1 < n) ranks[at] = rank_of(symbols[at], symbols[at + 1]);
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
    list[i].rank = list[i].next == kEnd ? kNoRank : rank_of(list[i].id, list[list[i].next].id);
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
