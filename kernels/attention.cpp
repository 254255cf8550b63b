#include "weft/kernels/attention.h"

#include <algorithm>
#include <atomic>
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
  cache.prepare_rows(layer, cache.size(), cache.size() + n);
  const auto append_rows = [&](std::size_t begin, std::size_t end) {
    thread_local std::vector<float> turned;
    turned.resize(a.key.size);
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t row = cache.size() + i;
      for (std::size_t head = 0; head < a.key.heads; ++head) {
        variant().turn_row(turned_row(a, a.key, head, first + i, 1.0f, turned.data()));
        const float* value = a.value.data + head * a.value.head_stride + (first + i) * a.value.token_stride;
        variant().keep_row({turned.data(), value, a.key.size, a.value.size, &cache.block(layer, row / kBlockRows), head, row % kBlockRows});
      }
    }
  };
  constexpr std::size_t kWorth = 16;  // tokens: some microseconds
  if (n < kWorth) return append_rows(0, n);
  parallel_for(n, append_rows);
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

// One of the blocks that a unit sees.
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

  // A unit's rows; queries go into `queries`, of kMaxRows * D floats.
  const auto rows_of = [&](const Unit& unit, float* queries) {
    const Sequence& sequence = scope->sequences()[unit.sequence];
    thread_local std::vector<float> turned;
    turned.resize(a.query.size);
    AttentionRows rows{};
    rows.n = unit.n_rows;
    rows.queries = queries;
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
      for (std::size_t d = 0; d < a.query.size; ++d) queries[d * kMaxRows + r] = turned[d];
    }
    return rows;
  };

  // A long context for few rows, as in decoding, is split into its blocks, or some threads would have nothing to do.
  constexpr std::size_t kFewUnits = 64;
  thread_local std::vector<AttentionRows> whole;  // one for each unit
  thread_local std::vector<Part> parts;
  thread_local std::vector<std::uint32_t> unfinished;  // parts of each unit
  thread_local std::vector<float> queries, partials;
  if (all_units.size() < kFewUnits) {
    whole.clear();
    parts.clear();
    unfinished.clear();
    queries.resize(all_units.size() * kMaxRows * a.query.size);
    for (std::size_t u = 0; u < all_units.size(); ++u) {
      whole.push_back(rows_of(all_units[u], queries.data() + u * kMaxRows * a.query.size));
      const auto [begin, end] = whole.back().blocks();
      for (std::size_t block = begin; block < end; ++block) parts.push_back({u, block});
      unfinished.push_back(static_cast<std::uint32_t>(end - begin));
    }
    partials.resize((parts.size() + all_units.size()) * partial_size);
    // A thread takes neighbours, so that it knows what to ask the memory for.
    constexpr std::size_t kNeighbours = 4;
    const auto attend = [&, all = std::span<const Part>(parts), rows = std::span<const AttentionRows>(whole), left = unfinished.data(),
                         partial = partials.data()](std::size_t first_piece, std::size_t last_piece) {
      const std::size_t end = std::min(last_piece * kNeighbours, all.size());
      for (std::size_t part = first_piece * kNeighbours; part < end; ++part) {
        const auto [unit, block] = all[part];
        std::span<const std::byte> next;
        if (part + 1 < end) next = rows[all[part + 1].unit].keys(all[part + 1].block);
        variant().attention_block(rows[unit], block, partial + part * partial_size, next);
        // Who is the last one to finish a unit's parts puts them together.
        if (std::atomic_ref(left[unit]).fetch_sub(1, std::memory_order_acq_rel) > 1) continue;
        const auto [from, to] = rows[unit].blocks();
        const float* of_unit = partial + (part - (block - from)) * partial_size;
        variant().attention_merge(rows[unit], of_unit, to - from, partial + (all.size() + unit) * partial_size);
      }
    };
    scope->parallel_for()((parts.size() + kNeighbours - 1) / kNeighbours, attend);
    return nullptr;
  }
  scope->parallel_for()(all_units.size(), [&](std::size_t begin, std::size_t end) {
    thread_local std::vector<float> scratch;
    scratch.resize(kMaxRows * a.query.size + 2 * partial_size);
    for (std::size_t u = begin; u < end; ++u) {
      variant().attention_rows(rows_of(all_units[u], scratch.data()), scratch.data() + kMaxRows * a.query.size, {});
    }
  });
  return nullptr;
}

}  // namespace weft::kernels
