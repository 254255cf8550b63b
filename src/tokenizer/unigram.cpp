#include "unigram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <type_traits>

#include "spares.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kRemember = 4096;     // bytes of texts from which on words are worth remembering
constexpr std::size_t kMaxKnown = 1 << 14;  // words
constexpr std::string_view kSpace = "\u2581";
constexpr float kMostOfWord = 1000;         // that a word which is remembered adds to a sum, more than twice over
constexpr float kMostSum = 100000;          // of scores, in float; SentencePiece's kScoreResetThreshold
constexpr std::size_t kWindow = 4096;       // nodes to keep when a longer text is done

// Bytes of the character that starts with `first`.
unsigned length_of(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

[[noreturn]] void refuse_unknown() {
  throw Error(ErrorCode::kUnsupported, "a character is in no piece, and the model names no unknown token", "text",
              "use a tokenizer with an unknown token or byte pieces");
}

}  // namespace

Unigram::Unigram(const std::vector<Piece>& pieces, const Options& options) : options_(options) {
  std::vector<PieceTrie::Entry> entries;
  std::vector<double> scores;
  entries.reserve(pieces.size());
  for (const Piece& piece : pieces) {
    entries.push_back({piece.text, static_cast<std::uint32_t>(piece.id)});
    if (static_cast<std::size_t>(piece.id) >= scores.size()) scores.resize(static_cast<std::size_t>(piece.id) + 1);
    scores[static_cast<std::size_t>(piece.id)] = piece.score;
  }
  scores_ = Array<double>(std::move(scores));
  cuts_ = std::none_of(pieces.begin(), pieces.end(), [](const Piece& piece) {
    std::size_t start = 0;
    while (piece.text.substr(start).starts_with(kSpace)) start += kSpace.size();
    return piece.text.find(kSpace, start) != std::string_view::npos;
  });
  trie_ = PieceTrie(std::move(entries));
}

void Unigram::Encoder::begin(std::size_t text_bytes) {
  seen_ += text_bytes;
  if (known_.size() < kMaxKnown && seen_ >= kRemember) grow_cache(known_, std::min(kMaxKnown, seen_ / 16));
}

void Unigram::Encoder::encode(std::string_view word, std::vector<Token>& out, std::vector<Range>* ranges) {
  Output output{out, ranges};
  if (unigram_.options_.sums == Sums::kSingle) return encode_single(word, output);
  Known* known = nullptr;
  ShortKey key;
  if (ranges == nullptr && !known_.empty() && word.size() <= ShortKey::kLongest) {
    key = ShortKey(word.data(), word.size());
    known = &known_[hash_of(key, word.size()) & (known_.size() - 1)];
    if (known->bytes == word.size() && known->key == key) {
      out.insert(out.end(), known->ids.begin(), known->ids.begin() + known->count);
      return;
    }
  }
  const std::size_t before = out.size();
  NoMargin none;
  find_best(word, 0, 0.0, doubles_, output, none);
  emit_unknown(word, output);
  const std::size_t count = out.size() - before;
  if (known == nullptr || count > Known::kMost) return;
  known->key = key;
  std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), known->ids.begin());
  known->bytes = static_cast<std::uint8_t>(word.size());
  known->count = static_cast<std::uint8_t>(count);
}

// SentencePiece sums up a whole text in float, so that what a word becomes may hang on all that stands before it: by as much
// as the sum's last bits. Words whose ways differ by more become the same everywhere, and are remembered.
void Unigram::Encoder::encode_single(std::string_view text, Output& output) {
  NoMargin none;
  float sum = 0;
  if (known_.empty() || !unigram_.cuts_ || output.ranges != nullptr) {
    find_best(text, 0, sum, singles_, output, none);
    return emit_unknown(text, output);
  }
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (text.substr(end, kSpace.size()) == kSpace) end += kSpace.size();
    end = std::min(text.find(kSpace, end), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (word.size() <= ShortKey::kLongest && std::abs(sum) < kMostSum - kMostOfWord) {
      const ShortKey key(word.data(), word.size());
      Known& known = known_[hash_of(key, word.size()) & (known_.size() - 1)];
      const bool met = known.bytes == word.size() && known.key == key;
      if ((met ? known : learn(word, key, known)).holds) {
        if (output.unknown.size() != 0) emit_unknown(text, output);
        for (std::size_t i = 0; i < known.count; ++i) {
          const Token id = known.ids[i];
          sum = static_cast<float>(unigram_.scores_[static_cast<std::size_t>(id)]) + sum;
          output.ids.push_back(id);
        }
        begin = end;
        continue;
      }
    }
    sum = find_best(text.substr(0, end), begin, sum, singles_, output, none);
    begin = end;
  }
  emit_unknown(text, output);
}

const Unigram::Encoder::Known& Unigram::Encoder::learn(std::string_view word, const ShortKey& key, Known& known) {
  // Each of at most 16 additions on each of two ways is off by half a unit in the last place of a sum below 2^17.
  constexpr double kMostError = 2 * 16 * 0.5 / 128;
  learned_.clear();
  Output output{learned_, nullptr};
  Margin margin;
  (void)find_best(word, 0, 0.0, doubles_, output, margin);
  known.key = key;
  known.bytes = static_cast<std::uint8_t>(word.size());
  known.holds = margin.least > kMostError && margin.most < kMostOfWord / 2 && output.unknown.size() == 0 &&
                learned_.size() <= Known::kMost &&
                std::none_of(learned_.begin(), learned_.end(), [&](Token id) { return id == unigram_.options_.unknown; });
  known.count = known.holds ? static_cast<std::uint8_t>(learned_.size()) : 0;
  if (known.holds) std::copy(learned_.begin(), learned_.end(), known.ids.begin());
  return known;
}

// From each character on, every piece offers a way to its end. Where no piece reaches beyond a place, the best way leads
// through it: what comes before is settled, and forgotten. Long texts so need no more memory than their longest words.
template <typename Score, typename Margins>
Score Unigram::Encoder::find_best(std::string_view text, std::size_t from, Score before, std::vector<Node<Score>>& nodes,
                                  Output& output, [[maybe_unused]] Margins& margins) {
  const PieceTrie& trie = unigram_.trie_;
  const double* const scores = unigram_.scores_.data();
  const auto unknown_score = static_cast<Score>(unigram_.options_.unknown_score);
  constexpr std::uint32_t kNoWay = 0;
  const auto reserve = [&](std::size_t size) {
    if (size > nodes.size()) nodes.resize(std::max(size, nodes.size() * 2 + 64));
  };
  reserve(1);
  nodes[0].score = before;
  std::size_t begin = from;  // of what isn't settled; nodes[i] is for begin + i
  std::size_t reach = from;  // where the longest piece so far ends
  for (std::size_t pos = from; pos < text.size();) {
    if (pos == reach && pos != begin) {
      emit(text, nodes.data(), begin, pos, output);
      nodes[0].score = nodes[pos - begin].score;
      begin = pos;
    }
    if constexpr (std::is_same_v<Score, float>) {
      const float excess = nodes[pos - begin].score;
      if (std::abs(excess) > kMostSum) {
        for (std::size_t at = pos; at <= reach; ++at) nodes[at - begin].score -= excess;
      }
    }
    const Score here = nodes[pos - begin].score;
    const std::size_t next = pos + length_of(text[pos]);
    bool has_character = false;
    const auto offer = [&](Token id, Score sum, std::size_t end) {
      if constexpr (std::is_same_v<Margins, Margin>) margins.most = std::max(margins.most, std::abs(sum));
      if (end > reach) {
        reserve(end - begin + 1);
        for (std::size_t at = reach + 1; at < end; ++at) nodes[at - begin].length = kNoWay;
        reach = end;
      } else {
        const Node<Score>& node = nodes[end - begin];
        if constexpr (std::is_same_v<Margins, Margin>) {
          if (node.length != kNoWay) margins.least = std::min(margins.least, std::abs(sum - node.score));
        }
        if (node.length != kNoWay && !(sum > node.score)) return;
      }
      nodes[end - begin] = {sum, static_cast<std::uint32_t>(end - pos), id};
    };
    trie.walk(text, pos, [&](std::uint32_t id, std::size_t end) {
      has_character = has_character || end == next;
      offer(static_cast<Token>(id), static_cast<Score>(scores[id]) + here, end);
    });
    if (!has_character) offer(unigram_.options_.unknown, unknown_score + here, next);
    pos = next;
  }
  emit(text, nodes.data(), begin, text.size(), output);
  const Score score = nodes[text.size() - begin].score;
  if (nodes.size() > kWindow) nodes = std::vector<Node<Score>>();
  return score;
}

template <typename Score>
void Unigram::Encoder::emit(std::string_view text, const Node<Score>* nodes, std::size_t begin, std::size_t end,
                            Output& output) {
  const Token unknown = unigram_.options_.unknown;
  lengths_.clear();
  for (std::size_t at = end; at > begin; at -= lengths_.back()) lengths_.push_back(nodes[at - begin].length);
  std::size_t at = begin;
  for (auto length = lengths_.rbegin(); length != lengths_.rend(); ++length) {
    const Range range{at, at + *length};
    at = range.end;
    const Token id = nodes[at - begin].id;
    if (id == unknown) {
      if (output.unknown.size() == 0) output.unknown = range;
      output.unknown.end = range.end;
      continue;
    }
    if (output.unknown.size() != 0) emit_unknown(text, output);
    output.ids.push_back(id);
    if (output.ranges != nullptr) output.ranges->push_back(range);
  }
}

void Unigram::Encoder::emit_unknown(std::string_view text, Output& output) const {
  const Range range = output.unknown;
  if (range.size() == 0) return;
  output.unknown = {0, 0};
  const Options& options = unigram_.options_;
  const std::string_view run = text.substr(range.begin, range.size());
  const auto put = [&](Token id) {
    output.ids.push_back(id);
    if (output.ranges != nullptr) output.ranges->push_back(range);
  };
  if (options.unknown_runs_may_be_pieces) {
    if (const std::uint32_t id = unigram_.trie_.find(run); id != PieceTrie::kValues) return put(static_cast<Token>(id));
  }
  const auto byte_id = [&](char byte) { return (*options.bytes)[static_cast<unsigned char>(byte)]; };
  if (options.bytes && std::all_of(run.begin(), run.end(), [&](char byte) { return byte_id(byte) >= 0; })) {
    // SentencePiece's bytes are each character's, those of tokenizers the whole run's.
    const bool by_character = options.sums == Sums::kSingle;
    for (std::size_t at = 0, end = 0; at < run.size(); at = end) {
      end = by_character ? at + decode_at(run, at).length : run.size();
      for (std::size_t i = at; i < end; ++i) {
        output.ids.push_back(byte_id(run[i]));
        if (output.ranges != nullptr) output.ranges->push_back({range.begin + at, range.begin + end});
      }
    }
    return;
  }
  if (options.unknown < 0) refuse_unknown();
  put(options.unknown);
}

}  // namespace weft::tokenizer
