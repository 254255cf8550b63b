#include "weft/kernels/attention.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/variants.h"
#include "weft/kernels/call_timer.h"

namespace weft::kernels {
namespace {

thread_local ForwardScope* innermost = nullptr;

const char* check(const AttentionArguments& a, const ForwardScope* scope) {
  if (scope == nullptr) return "weft::attention: the context handle names no call that is under way on this thread";
  const std::size_t tokens = a.query.tokens;
  if (a.key.tokens != tokens || a.value.tokens != tokens || a.positions.size() != tokens) {
    return "weft::attention: query, key, value and positions differ in their number of tokens";
  }
  if (a.key.heads == 0 || a.value.heads != a.key.heads || a.query.heads % a.key.heads != 0 || a.query.heads == 0) {
    return "weft::attention: the number of query heads is no multiple of the key and value heads";
  }
  if (a.query.size != a.key.size || a.key.size == 0 || a.value.size == 0) {
    return "weft::attention: query and key heads differ in size, or a size is 0";
  }
  if (!a.sinks.empty() && a.sinks.size() != a.query.heads) return "weft::attention: there isn't one sink for each head";
  if (a.rotary_cos != nullptr && (a.rotary_sin == nullptr || a.key.size % 2 != 0)) return "weft::attention: an odd head size can't be turned";
  if (a.layer < 0) return "weft::attention: negative layer";
  const KvLayerShape shape{static_cast<std::uint32_t>(a.key.heads), static_cast<std::uint32_t>(a.key.size),
                           static_cast<std::uint32_t>(a.value.size)};
  std::size_t row = 0;
  for (const Sequence& sequence : scope->sequences()) {
    const KvCache& cache = *sequence.cache;
    if (static_cast<std::size_t>(a.layer) >= cache.layers().size() || cache.layers()[a.layer] != shape) {
      return "weft::attention: the program's layers differ from those that the file's metadata names";
    }
    if (sequence.n_tokens > tokens - row || sequence.n_tokens > cache.capacity() - cache.size()) {
      return "weft::attention: more tokens than the call or the cache has room for";
    }
    for (std::size_t i = 0; i < sequence.n_tokens; ++i) {
      if (a.positions[row + i] != static_cast<std::int64_t>(cache.size() + i)) {
        return "weft::attention: a token's position isn't the next row of its cache";
      }
    }
    row += sequence.n_tokens;
  }
  return row == tokens ? nullptr : "weft::attention: the call's sequences don't cover its tokens";
}

TurnedRow turned_row(const AttentionArguments& a, const HeadsView& view, std::size_t head, std::size_t token, float scale, float* out) {
  const std::size_t at = token * a.key.size;
  const float* input = view.data + head * view.head_stride + token * view.token_stride;
  if (a.rotary_cos == nullptr) return {input, nullptr, nullptr, a.key.size, scale, out};
  return {input, a.rotary_cos + at, a.rotary_sin + at, a.key.size, scale, out};
}

// Puts one sequence's new keys and values, token rows [first, first + n) of the batch, behind its kept rows.
void append(const AttentionArguments& a, KvCache& cache, std::size_t first, std::size_t n, const ParallelFor& parallel_for) {
  const auto layer = static_cast<std::size_t>(a.layer);
  const std::size_t first_row = cache.size(), last_row = first_row + n;
  cache.prepare_rows(layer, first_row, last_row);
  // By pairs of rows: no two threads may write the two that share words (KvType::kBFloat16).
  const std::size_t first_pair = first_row / 2, n_pairs = (last_row + 1) / 2 - first_pair;
  const auto append_pairs = [&](std::size_t begin, std::size_t end) {
    thread_local std::vector<float> turned;
    turned.resize(a.key.size);
    for (std::size_t row = std::max(first_row, 2 * (first_pair + begin)); row < std::min(last_row, 2 * (first_pair + end)); ++row) {
      const std::size_t token = first + row - first_row;
      for (std::size_t head = 0; head < a.key.heads; ++head) {
        variant().turn_row(turned_row(a, a.key, head, token, 1.0f, turned.data()));
        const float* value = a.value.data + head * a.value.head_stride + token * a.value.token_stride;
        variant().keep_row({turned.data(), value, a.key.size, a.value.size, &cache.block(layer, row / kBlockRows), head, row % kBlockRows});
      }
    }
  };
  constexpr std::size_t kWorth = 16;  // tokens: some microseconds
  if (n < kWorth) return append_pairs(0, n_pairs);
  parallel_for(n_pairs, append_pairs);
}

// The first cache row that the token at `position` sees; AttentionArguments::window.
std::size_t first_visible(std::size_t position, std::int64_t window) noexcept {
  if (window == 0) return 0;
  const auto size = static_cast<std::size_t>(window > 0 ? window : -(window + 1)) + (window > 0 ? 0 : 1);
  if (window < 0) return position / size * size;
  return position >= size ? position + 1 - size : 0;
}

// One unit of work: up to kMaxRows of the rows (token, head in group) that share a sequence and a kv head.
struct Unit {
  std::uint32_t sequence, kv_head, first_row, n_rows;
};

// A unit whose blocks are computed apart, perhaps by several threads.
struct SplitUnit {
  AttentionRows rows;
  std::size_t first_block, n_blocks;
  std::size_t first_partial;  // its blocks' partial results, in order; its final one follows
  std::uint32_t unfinished;   // blocks
};
struct Part {
  std::size_t unit, block;
};

}  // namespace

namespace {

// What tells calls apart in a profile: not the context, which grows with every token.
std::string describe(const AttentionArguments& a) {
  return std::to_string(a.query.tokens) + " tokens, " + std::to_string(a.query.heads) + "/" + std::to_string(a.key.heads) + " heads of " +
         std::to_string(a.query.size) + (a.rotary_cos != nullptr ? ", rotary" : "");
}

}  // namespace

ForwardScope::ForwardScope(std::span<const Sequence> sequences, const ParallelFor& parallel_for, bool float_activations)
    : sequences_(sequences), parallel_for_(&parallel_for), float_activations_(float_activations), outer_(innermost) {
  static std::atomic<std::int64_t> next{1};
  handle_ = next.fetch_add(1, std::memory_order_relaxed);
  innermost = this;
}

ForwardScope::~ForwardScope() { innermost = outer_; }

const ParallelFor& ForwardScope::current_parallel_for() noexcept {
  static const ParallelFor serial = [](std::size_t n, RangeBody body) {
    if (n > 0) body(0, n);
  };
  return innermost != nullptr ? innermost->parallel_for() : serial;
}

bool ForwardScope::current_float_activations() noexcept { return innermost != nullptr && innermost->float_activations_; }

const ForwardScope* ForwardScope::find(std::int64_t handle) noexcept {
  const ForwardScope* scope = innermost;
  while (scope != nullptr && scope->handle_ != handle) scope = scope->outer_;
  return scope;
}

const char* attention(const AttentionArguments& a) {
  const ForwardScope* scope = ForwardScope::find(a.context);
  if (const char* problem = check(a, scope)) return problem;
  const CallTimer timer("attention", 0, [&] { return describe(a); });

  const std::size_t group = a.query.heads / a.key.heads;
  thread_local std::vector<Unit> units;  // keeps its memory between the calls of a token loop
  units.clear();
  thread_local std::vector<std::size_t> first_tokens;
  first_tokens.clear();
  std::size_t first = 0;
  for (std::size_t s = 0; s < scope->sequences().size(); ++s) {
    const Sequence& sequence = scope->sequences()[s];
    append(a, *sequence.cache, first, sequence.n_tokens, scope->parallel_for());
    first_tokens.push_back(first);
    first += sequence.n_tokens;
    const std::size_t rows = sequence.n_tokens * group;
    for (std::size_t head = 0; head < a.key.heads; ++head) {
      for (std::size_t row = 0; row < rows; row += kMaxRows) {
        units.push_back({static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(head), static_cast<std::uint32_t>(row),
                         static_cast<std::uint32_t>(std::min(kMaxRows, rows - row))});
      }
    }
  }

  const std::span<const Unit> all_units = units;
  const std::span<const std::size_t> sequence_starts = first_tokens;
  const std::size_t partial_size = partial_floats((a.value.size + kLanes - 1) / kLanes * kLanes);

  // A unit's rows; `queries` has room for query_floats().
  const auto rows_of = [&](const Unit& unit, float* queries) {
    const Sequence& sequence = scope->sequences()[unit.sequence];
    const std::size_t even_size = query_floats(a.query.size) / kMaxRows;
    thread_local std::vector<float> turned;
    thread_local std::vector<std::uint32_t> pairs;
    turned.assign((a.query.size + kGroup - 1) / kGroup * kGroup, 0.0f);
    pairs.resize(turned.size() / 2);
    AttentionRows rows{};
    rows.n = unit.n_rows;
    rows.queries = queries;
    rows.pairs = sequence.cache->type() == KvType::kBFloat16 && variant().multiplies_bfloat16 && !scope->float_activations();
    rows.has_sink = !a.sinks.empty();
    rows.softcap = a.softcap;
    rows.cache = sequence.cache;
    rows.layer = static_cast<std::size_t>(a.layer);
    rows.kv_head = unit.kv_head;
    rows.key_size = a.key.size;
    rows.value_size = a.value.size;
    for (std::size_t r = 0; r < unit.n_rows; ++r) {
      const std::size_t token = (unit.first_row + r) / group;
      const std::size_t head = unit.kv_head * group + (unit.first_row + r) % group;
      const std::size_t batch_row = sequence_starts[unit.sequence] + token;
      rows.end[r] = sequence.cache->size() + token + 1;
      rows.begin[r] = first_visible(rows.end[r] - 1, a.window);
      rows.sink[r] = rows.has_sink ? a.sinks[head] : 0.0f;
      rows.out[r] = a.out + (batch_row * a.query.heads + head) * a.value.size;
      variant().turn_row(turned_row(a, a.query, head, batch_row, a.scale, turned.data()));
      if (rows.pairs) {
        variant().pair_numbers({turned.data(), turned.size(), pairs.data()});
        for (std::size_t d = 0; d < even_size / 2; ++d) queries[d * kMaxRows + r] = std::bit_cast<float>(pairs[d]);
      } else {
        for (std::size_t d = 0; d < even_size; ++d) queries[d * kMaxRows + r] = turned[d];
      }
    }
    return rows;
  };

  // A long context for few rows, as in decoding, is split into its blocks, or some threads would have nothing to do.
  constexpr std::size_t kFewUnits = 64;
  if (all_units.size() < kFewUnits) {
    thread_local std::vector<SplitUnit> split;
    thread_local std::vector<Part> parts;
    thread_local std::vector<float> queries, partials;
    split.clear();
    parts.clear();
    queries.resize(all_units.size() * query_floats(a.query.size));
    std::size_t n_partials = 0, first_block = SIZE_MAX, last_block = 0;
    for (std::size_t u = 0; u < all_units.size(); ++u) {
      const AttentionRows rows = rows_of(all_units[u], queries.data() + u * query_floats(a.query.size));
      const auto [begin, end] = rows.blocks();
      split.push_back({rows, begin, end - begin, n_partials, static_cast<std::uint32_t>(end - begin)});
      n_partials += end - begin + 1;
      first_block = std::min(first_block, begin);
      last_block = std::max(last_block, end);
    }
    // Blocks of the same rows one after another, for they are alike: while a last one of few rows is computed, there is no time to
    // ask for a whole one.
    for (std::size_t block = first_block; block < last_block; ++block) {
      for (std::size_t u = 0; u < split.size(); ++u) {
        if (block - split[u].first_block < split[u].n_blocks) parts.push_back({u, block});
      }
    }
    partials.resize(n_partials * partial_size);
    const auto attend = [partial_size, all = std::span<const Part>(parts), units_of = std::span<SplitUnit>(split),
                         partial = partials.data()](std::size_t begin, std::size_t end) {
      for (std::size_t part = begin; part < end; ++part) {
        SplitUnit& unit = units_of[all[part].unit];
        float* const unit_partials = partial + unit.first_partial * partial_size;
        std::span<const std::byte> next;
        if (part + 1 < all.size()) next = units_of[all[part + 1].unit].rows.keys(all[part + 1].block);
        variant().attention_block(unit.rows, all[part].block, unit_partials + (all[part].block - unit.first_block) * partial_size, next);
        // Who is the last one to finish a unit's blocks puts them together.
        if (std::atomic_ref(unit.unfinished).fetch_sub(1, std::memory_order_acq_rel) > 1) continue;
        variant().attention_merge(unit.rows, unit_partials, unit.n_blocks, unit_partials + unit.n_blocks * partial_size);
      }
    };
    scope->parallel_for()(parts.size(), attend);
    return nullptr;
  }
  scope->parallel_for()(all_units.size(), [&](std::size_t begin, std::size_t end) {
    const std::size_t queries_size = query_floats(a.query.size);
    thread_local std::vector<float> memory;
    memory.resize(2 * queries_size + 2 * partial_size);
    float* const scratch = memory.data() + 2 * queries_size;
    AttentionRows rows = rows_of(all_units[begin], memory.data());
    for (std::size_t u = begin; u < end; ++u) {
      AttentionRows following{};
      std::span<const std::byte> next;
      if (u + 1 < end) {
        following = rows_of(all_units[u + 1], memory.data() + (u + 1 - begin) % 2 * queries_size);
        next = following.keys(following.blocks().first);
      }
      variant().attention_rows(rows, scratch, next);
      rows = following;
    }
  });
  return nullptr;
}

}  // namespace weft::kernels
