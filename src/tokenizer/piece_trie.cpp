#include "piece_trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <string>

namespace weft::tokenizer {
namespace {

constexpr std::size_t kBlock = 256;      // units; a node's children lie in one block
constexpr std::size_t kLine = 8;         // units of a cache line
constexpr std::size_t kOpenBlocks = 16;  // blocks that still take nodes: bounds the search for a place
constexpr int kMaxMisses = 32;           // a block that so many nodes in a row did not fit into takes no more

// A set of the places in one block.
class Places {
 public:
  [[nodiscard]] bool has(std::size_t place) const { return (words_[place >> 6] >> (place & 63) & 1) != 0; }
  void add(std::size_t place) { words_[place >> 6] |= std::uint64_t{1} << (place & 63); }
  /// Calls `found(place)` for what isn't in the set, in order, until it says true.
  template <typename Found>
  bool find_missing(Found&& found) const {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      for (std::uint64_t missing = ~words_[word]; missing != 0; missing &= missing - 1) {
        if (found(word * 64 + static_cast<std::size_t>(std::countr_zero(missing)))) return true;
      }
    }
    return false;
  }

 private:
  std::array<std::uint64_t, kBlock / 64> words_{};
};

}  // namespace

class PieceTrie::Builder {
 public:
  Builder(std::vector<Entry> entries, PieceTrie& trie) : trie_(trie) { sort(std::move(entries)); }

  void build() {
    if (sorted_.empty()) return;
    std::vector<Node> nodes{{0, sorted_.size(), 0, kRoot}};
    while (!nodes.empty()) {
      const Node node = nodes.back();
      nodes.pop_back();
      children_.clear();
      std::size_t at = node.begin;
      std::uint32_t value = kValues;
      for (; at < node.end && sorted_[at].length == node.depth; ++at) value = sorted_[at].value;
      for (std::size_t begin = at; at < node.end; begin = at) {
        const auto byte = byte_at(at, node.depth);
        while (at < node.end && byte_at(at, node.depth) == byte) ++at;
        children_.push_back({begin, at, byte});
      }
      const std::size_t base = children_.empty() ? 0 : take_place(node.place);
      if (node.place == kRoot) {
        trie_.root_ = base;
      } else {
        assert(base < std::size_t{1} << 31);
        Unit& unit = units_[node.place];
        unit = Unit{base} << 33 | Unit{value} << 9 | label(unit);
      }
      for (const Child& child : children_) {
        units_[base ^ child.byte] = Unit{kValues} << 9 | child.byte;
        nodes.push_back({child.begin, child.end, node.depth + 1, base ^ child.byte});
      }
    }
    units_.shrink_to_fit();
    trie_.units_ = Array<Unit>(std::move(units_));
  }

 private:
  static constexpr std::size_t kRoot = ~std::size_t{0};
  struct Sorted {
    std::size_t place;  // in text_
    std::uint32_t length, value;
  };
  struct Node {
    std::size_t begin, end;  // the entries below it
    std::size_t depth;
    std::size_t place;
  };
  struct Child {
    std::size_t begin, end;
    unsigned char byte;
  };
  struct Block {
    std::size_t start;
    Places taken{}, is_base{};
    std::size_t free = kBlock;
    int misses = 0;
  };

  // By piece, then as they came. Most comparisons see no more than the first eight bytes, which lie with the keys; later
  // walks see the pieces one behind another.
  void sort(std::vector<Entry> entries) {
    struct Key {
      std::uint64_t head;
      std::uint32_t index;
    };
    std::vector<Key> keys(entries.size());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::string_view piece = entries[i].piece;
      bytes += piece.size();
      std::uint64_t head = 0;
      std::memcpy(&head, piece.data(), std::min<std::size_t>(sizeof head, piece.size()));
      keys[i] = {byte_swapped(head), static_cast<std::uint32_t>(i)};
    }
    std::sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
      if (a.head != b.head) return a.head < b.head;
      const int order = entries[a.index].piece.compare(entries[b.index].piece);
      return order != 0 ? order < 0 : a.index < b.index;
    });
    sorted_.reserve(entries.size());
    text_.reserve(bytes);
    for (const Key& key : keys) {
      const Entry& entry = entries[key.index];
      sorted_.push_back({text_.size(), static_cast<std::uint32_t>(entry.piece.size()), entry.value});
      text_ += entry.piece;
    }
  }
  static std::uint64_t byte_swapped(std::uint64_t value) {
    static_assert(std::endian::native == std::endian::little);
    value = (value & 0x00FF00FF00FF00FF) << 8 | (value >> 8 & 0x00FF00FF00FF00FF);
    value = (value & 0x0000FFFF0000FFFF) << 16 | (value >> 16 & 0x0000FFFF0000FFFF);
    return value << 32 | value >> 32;
  }

  [[nodiscard]] unsigned char byte_at(std::size_t entry, std::size_t depth) const {
    return static_cast<unsigned char>(text_[sorted_[entry].place + depth]);
  }

  // A base that no node has, whose places for all children are free. An only child lies in its parent's cache line, if that has
  // room: walks end with many such steps.
  std::size_t take_place(std::size_t parent) {
    if (children_.size() == 1 && parent != kRoot) {
      Block& block = blocks_[parent / kBlock];
      const std::size_t line = parent % kBlock & ~(kLine - 1);
      for (std::size_t place = line; place < line + kLine; ++place) {
        const std::size_t base = place ^ children_.front().byte;
        if (!block.taken.has(place) && !block.is_base.has(base)) return take(block, base);
      }
    }
    for (std::size_t i = 0; i < open_.size(); ++i) {
      Block& block = blocks_[open_[i]];
      if (block.free < children_.size()) continue;
      std::size_t base = 0;
      const bool found = block.taken.find_missing([&](std::size_t place) {
        base = place ^ children_.front().byte;
        return !block.is_base.has(base) && std::none_of(children_.begin() + 1, children_.end(), [&](const Child& child) {
          return block.taken.has(base ^ child.byte);
        });
      });
      if (found) return take(block, base);
      if (++block.misses < kMaxMisses) continue;
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i--));
    }
    if (open_.size() == kOpenBlocks) open_.erase(open_.begin());
    open_.push_back(blocks_.size());
    blocks_.push_back({units_.size()});
    units_.resize(units_.size() + kBlock, kFree);
    return take(blocks_.back(), 0);
  }

  std::size_t take(Block& block, std::size_t base) {
    block.is_base.add(base);
    block.misses = 0;
    block.free -= children_.size();
    for (const Child& child : children_) block.taken.add(base ^ child.byte);
    return block.start + base;
  }

  std::vector<Sorted> sorted_;
  std::string text_;
  PieceTrie& trie_;
  std::vector<Unit> units_ = std::vector<Unit>(kBlock, kFree);
  std::vector<Block> blocks_ = std::vector<Block>(1);  // the first one stays free
  std::vector<std::size_t> open_;                      // blocks that are searched for a place
  std::vector<Child> children_;
};

PieceTrie::PieceTrie(std::vector<Entry> entries) { Builder(std::move(entries), *this).build(); }

}  // namespace weft::tokenizer
