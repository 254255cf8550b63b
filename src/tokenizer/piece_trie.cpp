#include "piece_trie.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace weft::tokenizer {
namespace {

constexpr std::size_t kBlock = 256;      // units; a node's children lie in one block
constexpr std::size_t kOpenBlocks = 16;  // blocks that still take nodes: bounds the search for a place
constexpr int kMaxMisses = 32;           // a block that so many nodes in a row did not fit into takes no more

}  // namespace

class PieceTrie::Builder {
 public:
  Builder(std::vector<Entry> entries, PieceTrie& trie) : entries_(std::move(entries)), trie_(trie) {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const Entry& a, const Entry& b) { return a.piece < b.piece; });
  }

  void build() {
    if (entries_.empty()) return;
    std::vector<Node> nodes{{0, entries_.size(), 0, kRoot}};
    while (!nodes.empty()) {
      const Node node = nodes.back();
      nodes.pop_back();
      children_.clear();
      std::size_t at = node.begin;
      std::uint32_t value = kValues;
      for (; at < node.end && entries_[at].piece.size() == node.depth; ++at) value = entries_[at].value;
      for (std::size_t begin = at; at < node.end; begin = at) {
        const auto byte = byte_at(at, node.depth);
        while (at < node.end && byte_at(at, node.depth) == byte) ++at;
        children_.push_back({begin, at, byte});
      }
      const std::size_t base = children_.empty() ? 0 : take_place();
      if (node.place == kRoot) {
        trie_.root_ = base;
      } else {
        assert(base < std::size_t{1} << 31);
        Unit& unit = trie_.units_.at(node.place);
        unit = Unit{base} << 33 | Unit{value} << 9 | label(unit);
      }
      for (const Child& child : children_) {
        trie_.units_.at(base ^ child.byte) = Unit{kValues} << 9 | child.byte;
        nodes.push_back({child.begin, child.end, node.depth + 1, base ^ child.byte});
      }
    }
  }

 private:
  static constexpr std::size_t kRoot = ~std::size_t{0};
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
    std::array<bool, kBlock> taken{}, is_base{};
    std::size_t free = kBlock;
    int misses = 0;
  };

  [[nodiscard]] unsigned char byte_at(std::size_t entry, std::size_t depth) const {
    return static_cast<unsigned char>(entries_[entry].piece[depth]);
  }

  // A base that no node has, whose places for all children are free.
  std::size_t take_place() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      Block& block = blocks_[i];
      if (block.free < children_.size()) continue;
      for (std::size_t base = 0; base < kBlock; ++base) {
        if (fits(block, base)) return take(block, base);
      }
      if (++block.misses < kMaxMisses) continue;
      blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i--));
    }
    if (blocks_.size() == kOpenBlocks) blocks_.erase(blocks_.begin());
    blocks_.push_back({trie_.units_.size()});
    trie_.units_.resize(trie_.units_.size() + kBlock, kFree);
    return take(blocks_.back(), 0);
  }

  [[nodiscard]] bool fits(const Block& block, std::size_t base) const {
    return !block.is_base[base] && std::none_of(children_.begin(), children_.end(), [&](const Child& child) {
      return block.taken[base ^ child.byte];
    });
  }

  std::size_t take(Block& block, std::size_t base) {
    block.is_base[base] = true;
    block.misses = 0;
    block.free -= children_.size();
    for (const Child& child : children_) block.taken[base ^ child.byte] = true;
    return block.start + base;
  }

  std::vector<Entry> entries_;
  PieceTrie& trie_;
  std::vector<Block> blocks_;
  std::vector<Child> children_;
};

PieceTrie::PieceTrie(std::vector<Entry> entries) { Builder(std::move(entries), *this).build(); }

}  // namespace weft::tokenizer
