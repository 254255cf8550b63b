#include "unigram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <type_traits>

#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::size_t kRemember = 4096;     // bytes of a text whose words are worth remembering
constexpr std::size_t kMaxKnown = 1 << 14;  // words
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
  entries.reserve(pieces.size());
  for (const Piece& piece : pieces) {
    entries.push_back({piece.text, static_cast<std::uint32_t>(piece.id)});
    if (static_cast<std::size_t>(piece.id) >= scores_.size()) scores_.resize(static_cast<std::size_t>(piece.id) + 1);
    scores_[static_cast<std::size_t>(piece.id)] = piece.score;
  }
  trie_ = PieceTrie(std::move(entries));
}

Unigram::Encoder::Encoder(const Unigram& unigram, std::size_t text_bytes) : unigram_(unigram) {
  if (text_bytes >= kRemember) known_.resize(std::min(kMaxKnown, std::bit_ceil(text_bytes / 16)));
}

void Unigram::Encoder::encode(std::string_view word, std::vector<Token>& out, std::vector<Range>* ranges) {
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
  Output output{out, ranges};
  if (unigram_.options_.sums == Sums::kDouble) {
    find_best(word, doubles_, output);
  } else {
    find_best(word, singles_, output);
  }
  const std::size_t count = out.size() - before;
  if (known == nullptr || count > Known::kMost) return;
  known->key = key;
  std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), known->ids.begin());
  known->bytes = static_cast<std::uint8_t>(word.size());
  known->count = static_cast<std::uint8_t>(count);
}

// From each character on, every piece offers a way to its end. Where no piece reaches beyond a place, the best way leads
// through it: what comes before is settled, and forgotten. Long texts so need no more memory than their longest words.
template <typename Score>
void Unigram::Encoder::find_best(std::string_view text, std::vector<Node<Score>>& nodes, Output& output) {
  const PieceTrie& trie = unigram_.trie_;
  const double* const scores = unigram_.scores_.data();
  const auto unknown_score = static_cast<Score>(unigram_.options_.unknown_score);
  constexpr std::uint32_t kNoWay = 0;
  const auto reserve = [&](std::size_t size) {
    if (size > nodes.size()) nodes.resize(std::max(size, nodes.size() * 2 + 64));
  };
  reserve(1);
  nodes[0].score = 0;
  std::size_t begin = 0;  // of what isn't settled; nodes[i] is for begin + i
  std::size_t reach = 0;  // where the longest piece so far ends
  for (std::size_t pos = 0; pos < text.size();) {
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
      if (end > reach) {
        reserve(end - begin + 1);
        for (std::size_t at = reach + 1; at < end; ++at) nodes[at - begin].length = kNoWay;
        reach = end;
      } else {
        const Node<Score>& node = nodes[end - begin];
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
  emit_unknown(text, output);
  if (nodes.size() > kWindow) nodes = std::vector<Node<Score>>();
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
