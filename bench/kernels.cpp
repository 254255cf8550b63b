// How fast each kernel is, beside what this machine can do at most.
//
//   kernels_bench [--threads N] [--filter WORD]
//   kernels_bench [--threads N] --limits            only what the machine can do: a name and a number a line, for programs
//
// A row says: the kernel and its shape, microseconds of a fast call, bytes read and written for each second, and
// multiply-adds counted as two operations; then both as a share of the limits that the first lines measure in the same run
// (bench/limits.h): of the speed of memory, and of multiply-adds of the kind that the kernel makes. Working sets are
// larger than the caches where decoding's would be; what a step has in its caches is measured there, and can pass 100% of the memory's speed.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/limits.h"
#include "kernels/variants.h"
#include "weft/kernels/attention.h"
#include "weft/kernels/linear.h"
#include "weft/kernels/quantized_experts.h"
#include "weft/kernels/quantized_linear.h"
#include "weft/kernels/thread_pool.h"

namespace weft::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// With one thread, its own time: what other programs take doesn't count.
bool one_thread = false;

double now_seconds() {
  timespec time{};
  clock_gettime(one_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Seconds of a fast call: a tenth of as many as fit into the time given are faster. Not the fastest one: where a hypervisor takes the
// processor away, a thread's clock now and then leaves out some of its own time.
double fast_call(const std::function<void()>& call, double seconds = 0.3) {
  std::vector<double> each;
  call();
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const double start = now_seconds();
    call();
    each.push_back(now_seconds() - start);
  } while (Clock::now() < end);
  const auto tenth = each.begin() + static_cast<std::ptrdiff_t>(each.size() / 10);
  std::nth_element(each.begin(), tenth, each.end());
  return *tenth;
}

class Report {
 public:
  Report(bench::Limits limits, std::string filter) : limits_(limits), filter_(std::move(filter)) {}
  [[nodiscard]] bool wants(const std::string& name) const { return name.find(filter_) != std::string::npos; }
  void row(const std::string& name, double seconds, double bytes, double multiply_adds, Activations kind = Activations::kFloat32) const {
    const double gbs = bytes / seconds / 1e9, gops = 2 * multiply_adds / seconds / 1e9;
    const double limit = kind == Activations::kInt8 ? std::max(limits_.int8_gops, limits_.amx_gops)
                         : kind == Activations::kBFloat16 ? std::max(limits_.bf16_gops, limits_.f32_gops) : limits_.f32_gops;
    std::printf("%-66s %10.1f us %8.1f GB/s %4.0f%%", name.c_str(), seconds * 1e6, gbs, 100 * gbs / limits_.read_gbs);
    if (multiply_adds > 0) std::printf(" %8.1f Gop/s %4.0f%%", gops, limit > 0 ? 100 * gops / limit : 0.0);
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  bench::Limits limits_;
  std::string filter_;
};

std::vector<float> random_floats(std::size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values) x = normal(random);
  return values;
}

void bench_quantized(const Report& report, const ParallelFor& parallel_for, std::size_t m, std::size_t n, std::size_t k, int bits,
                     bool minimum, Activations activations, bool fused = false) {
  const std::string name = std::string("quantized_linear ") + std::to_string(bits) + " bit" + (minimum ? " with minima" : "") +
                           ", " + name_of(activations) + " " + std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n) + (fused ? ", norm and gate" : "");
  if (!report.wants(name)) return;
  QuantizedMatrix matrix{nullptr, n, k, bits, minimum};
  // One token reads a new matrix each time, as a model of many layers does; many rows read one.
  const std::size_t copies = m <= 16 ? std::max<std::size_t>(1, (192u << 20) / matrix.bytes()) : 1;
  std::vector<std::uint8_t> data(matrix.bytes() * copies);
  std::uint64_t state = 1;
  for (std::size_t i = 0; i + 8 <= data.size(); i += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    // No f16 infinities among the scales, and no floats so small that processors slow down.
    const std::uint64_t masked = (state & 0x3f3f3f3f3f3f3f3f) | (bits >= 16 ? 0x2020202020202020 : 0);
    std::memcpy(&data[i], &masked, 8);
  }
  const std::vector<float> input = random_floats(m * k);
  std::vector<float> out(m * n);
  QuantizedLinearArguments arguments{.input = input.data(), .rows = m, .weight = matrix, .out = out.data(), .activations = activations};
  if (fused) {
    arguments.norm_weight = input.data();
    arguments.norm_epsilon = 1e-5f;
    arguments.gate = Gate::kSilu;
  }
  std::size_t copy = 0;
  const double seconds = fast_call([&] {
    matrix.data = data.data() + copy * matrix.bytes();
    copy = (copy + 1) % copies;
    arguments.weight = matrix;
    if (quantized_linear(arguments, parallel_for) != nullptr) std::abort();
  });
  report.row(name, seconds, static_cast<double>(matrix.bytes()), static_cast<double>(m * n * k), activations);
}

// m tokens that each chose `chosen` of as many experts as there are in Qwen3-30B-A3B's layers.
void bench_experts(const Report& report, const ParallelFor& parallel_for, std::size_t m, std::size_t n, std::size_t k) {
  constexpr std::size_t kExperts = 128, kChosen = 8;
  const std::string name = "quantized_experts 4 bit with minima, int8 " + std::to_string(m) + " tokens, 8 of 128 experts " +
                           std::to_string(k) + "x" + std::to_string(n);
  if (!report.wants(name)) return;
  QuantizedMatrix matrix{nullptr, kExperts * n, k, 4, true};
  const std::vector<std::uint8_t> data(matrix.bytes(), 0x3f);
  matrix.data = data.data();
  const std::size_t rows = m * kChosen;
  const std::vector<float> input = random_floats(rows * k);
  std::vector<float> out(rows * n);
  std::vector<std::int64_t> experts(rows);
  std::mt19937 random(1);
  std::vector<bool> read(kExperts);
  for (std::int64_t& expert : experts) read[static_cast<std::size_t>(expert = random() % kExperts)] = true;
  const QuantizedExpertsArguments arguments{.input = input.data(), .experts = experts, .weight = matrix, .features = n, .out = out.data(),
                                            .activations = Activations::kInt8};
  const double seconds = fast_call([&] {
    for (std::int64_t& expert : experts) expert = (expert + 9) % static_cast<std::int64_t>(kExperts);  // others than the last time
    if (quantized_experts(arguments, parallel_for) != nullptr) std::abort();
  });
  const auto n_read = static_cast<double>(std::count(read.begin(), read.end(), true));
  report.row(name, seconds, n_read / kExperts * static_cast<double>(matrix.bytes()), static_cast<double>(rows * n * k), Activations::kInt8);
}

void bench_embedding(const Report& report, std::size_t m, std::size_t n, std::size_t k, int bits) {
  const std::string name =
      std::string("quantized_embedding ") + std::to_string(bits) + " bit, " + std::to_string(m) + " of " + std::to_string(n) + " x " + std::to_string(k);
  if (!report.wants(name)) return;
  QuantizedMatrix matrix{nullptr, n, k, bits, false};
  const std::vector<std::uint8_t> data(matrix.bytes(), 0x3f);
  matrix.data = data.data();
  std::mt19937 random(1);
  std::vector<std::int64_t> ids(m);
  std::vector<float> out(m * k);
  const double seconds = fast_call([&] {
    for (std::int64_t& id : ids) id = static_cast<std::int64_t>(random() % n);
    if (!quantized_embedding(ids, matrix, out.data())) std::abort();
  });
  report.row(name, seconds, static_cast<double>(m * k) * (4 + static_cast<double>(bits) / 8 + 2.0 / kGroup), 0);
}

// What stands between two linears. A row's worth stays in the caches, as it does in a step.
void bench_between(const Report& report, const ParallelFor& parallel_for, std::size_t m, std::size_t k) {
  const std::string shape = std::string(" ") + std::to_string(m) + " x " + std::to_string(k);
  const std::vector<float> input = random_floats(m * k), up = random_floats(m * k);
  std::vector<float> out(m * k);
  const auto values = static_cast<double>(m * k);
  if (const std::string name = std::string("norm_rows") + shape; report.wants(name)) {
    const NormRows rows{input.data(), up.data(), 1e-5f, k, out.data()};
    const double seconds =
        fast_call([&] { parallel_for(m, [&](std::size_t begin, std::size_t end) { variant().norm_rows(rows, begin, end); }); });
    report.row(name, seconds, values * 8, values * 2);
  }
  if (const std::string name = std::string("round_rows") + shape; report.wants(name)) {
    const std::size_t room = Int8Panels{m, k / kGroup}.room();
    std::vector<std::int8_t> codes(room * kGroup);
    std::vector<float> scales(room), sums(room);
    std::vector<std::int32_t> starts(room);
    const RoundedRows rows{input.data(), m, k, 1.0f, codes.data(), scales.data(), sums.data(), starts.data()};
    const double seconds =
        fast_call([&] { parallel_for(m, [&](std::size_t begin, std::size_t end) { variant().round_rows(rows, begin, end); }); });
    report.row(name, seconds, values * 5, 0);
  }
  if (const std::string name = std::string("gate_rows") + shape; report.wants(name)) {
    const double seconds = fast_call([&] {
      parallel_for(m, [&](std::size_t begin, std::size_t end) {
        std::copy(input.begin() + static_cast<std::ptrdiff_t>(begin * k), input.begin() + static_cast<std::ptrdiff_t>(end * k),
                  out.begin() + static_cast<std::ptrdiff_t>(begin * k));
        variant().gate_rows({out.data() + begin * k, up.data() + begin * k, k, k, end - begin, k, Gate::kSilu});
      });
    });
    report.row(name, seconds, values * 20, 0);
  }
}

void bench_linear(const Report& report, const ParallelFor& parallel_for, std::size_t m, std::size_t n, std::size_t k) {
  const std::string name = "linear f32 " + std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n);
  if (!report.wants(name)) return;
  const std::size_t copies = std::max<std::size_t>(1, (192u << 20) / (n * k * 4));
  std::vector<float> weight = random_floats(n * k);
  weight.resize(n * k * copies);
  const std::vector<float> input = random_floats(m * k);
  std::vector<float> out(m * n);
  std::size_t copy = 0;
  const double seconds = fast_call([&] {
    linear({input.data(), weight.data() + copy * n * k, nullptr, out.data(), m, n, k}, parallel_for);
    copy = (copy + 1) % copies;
  });
  report.row(name, seconds, static_cast<double>(n * k * 4), static_cast<double>(m * n * k));
}

// `sequences` of them side by side, each with `tokens` after `past`.
void bench_attention(const Report& report, const ParallelFor& parallel_for, std::size_t tokens, std::size_t past, std::uint32_t heads,
                     std::uint32_t kv_heads, std::uint32_t size, KvType type, std::size_t sequences = 1) {
  const char* const types[] = {"f32", "f16", "int8", "bf16"};
  const std::string name = std::string("attention ") + types[static_cast<std::size_t>(type)] + ", " +
                           (sequences > 1 ? std::to_string(sequences) + " times " : "") + std::to_string(tokens) + " after " +
                           std::to_string(past) + ", heads " + std::to_string(heads) + "/" + std::to_string(kv_heads) + " of " +
                           std::to_string(size);
  if (!report.wants(name)) return;
  const auto cached = static_cast<double>((past + tokens) * kv_heads * size * 2 * KvBlock::number_bytes(type));
  // Decoding reads a layer's cache after all of the weights, so that no cache of the processor holds it any more.
  const std::size_t layers = tokens > 16 ? 1 : static_cast<std::size_t>((192 << 20) / cached / static_cast<double>(sequences)) + 1;
  std::vector<KvCache> caches(sequences, KvCache(std::vector<KvLayerShape>(layers, {kv_heads, size, size}), past + tokens, type));
  std::vector<Sequence> batch;
  for (KvCache& cache : caches) {
    for (std::size_t layer = 0; layer < layers; ++layer) cache.prepare_rows(layer, 0, past + tokens);
    cache.set_size(past);
    batch.push_back({&cache, tokens});
  }
  const std::size_t rows = sequences * tokens;
  const std::vector<float> query = random_floats(rows * heads * size), key = random_floats(rows * kv_heads * size);
  std::vector<float> out(rows * heads * size);
  std::vector<std::int64_t> positions(rows);
  for (std::size_t i = 0; i < rows; ++i) positions[i] = static_cast<std::int64_t>(past + i % tokens);
  const ForwardScope scope(batch, parallel_for);
  std::int64_t layer = 0;
  const double seconds = fast_call([&] {
    AttentionArguments a{.query = {query.data(), heads, rows, size, rows * size, size},
                         .key = {key.data(), kv_heads, rows, size, rows * size, size},
                         .value = {key.data(), kv_heads, rows, size, rows * size, size}};
    a.positions = positions;
    a.context = scope.handle();
    a.layer = layer;
    layer = (layer + 1) % static_cast<std::int64_t>(layers);
    a.scale = 0.125f;
    a.out = out.data();
    if (attention(a) != nullptr) std::abort();
  });
  double seen = 0;
  for (std::size_t i = 0; i < tokens; ++i) seen += static_cast<double>(past + i + 1);
  const auto times = static_cast<double>(sequences);
  report.row(name, seconds, times * cached, times * seen * heads * size * 2,
             type == KvType::kBFloat16 ? Activations::kBFloat16 : Activations::kFloat32);
}

struct ModelShape {
  const char* name;
  std::size_t layers, hidden, inner;
  std::uint32_t heads, kv_heads, size;
  std::size_t vocabulary;
  int head_bits;
  bool minimum;
};

// A token's linears and attention, one after another: a step, if nothing but the kernels took time. Working threads ask ahead for the
// next linear's weights while they wait (kernels/upcoming.h); steps with and without that take turns.
void bench_step(const Report& report, const ParallelFor& parallel_for, const ModelShape& shape, std::size_t past, Activations activations) {
  const std::string name = std::string("step of ") + shape.name + ", 4 bit, " + name_of(activations) + ", 1 after " + std::to_string(past);
  const std::string names[] = {name, name + ", not asking ahead"};
  if (!report.wants(names[0]) && !report.wants(names[1])) return;
  std::vector<QuantizedLinearArguments> linears;
  const std::vector<float> state = random_floats(2 * shape.inner);
  std::vector<float> out(std::max(shape.vocabulary, 2 * shape.inner));
  const auto add = [&](std::size_t n, std::size_t k, bool norm, Gate gate) {
    QuantizedLinearArguments a{.input = state.data(), .rows = 1, .weight = {nullptr, n, k, 4, shape.minimum}, .out = out.data()};
    (norm ? a.norm_weight : a.residual) = state.data();
    a.gate = gate;
    a.activations = activations;
    linears.push_back(a);
  };
  for (std::size_t layer = 0; layer < shape.layers; ++layer) {
    add((shape.heads + 2 * shape.kv_heads) * shape.size, shape.hidden, true, Gate::kNone);
    add(shape.hidden, shape.heads * shape.size, false, Gate::kNone);
    add(2 * shape.inner, shape.hidden, true, Gate::kSilu);
    add(shape.hidden, shape.inner, false, Gate::kNone);
  }
  add(shape.vocabulary, shape.hidden, true, Gate::kNone);
  linears.back().weight.bits = shape.head_bits;
  linears.back().weight.has_minimum = shape.head_bits == 4 && shape.minimum;
  std::size_t bytes = 0;
  double multiply_adds = 0;
  for (const QuantizedLinearArguments& a : linears) {
    bytes += a.weight.bytes();
    multiply_adds += static_cast<double>(a.weight.rows * a.weight.columns);
  }
  const std::vector<std::uint8_t> data(bytes, 0x3f);
  std::size_t at = 0;
  for (QuantizedLinearArguments& a : linears) {
    a.weight.data = data.data() + at;
    at += a.weight.bytes();
  }

  KvCache cache(std::vector<KvLayerShape>(shape.layers, {shape.kv_heads, shape.size, shape.size}), past + 1, KvType::kBFloat16);
  for (std::size_t layer = 0; layer < shape.layers; ++layer) cache.prepare_rows(layer, 0, past + 1);
  cache.set_size(past);
  const Sequence sequence{&cache, 1};
  const auto position = static_cast<std::int64_t>(past);
  const auto heads = [&](std::size_t first, std::size_t n) {
    return HeadsView{state.data() + first * shape.size, n, 1, shape.size, shape.size, shape.size};
  };
  AttentionArguments attended{.query = heads(0, shape.heads),
                              .key = heads(shape.heads, shape.kv_heads),
                              .value = heads(shape.heads + shape.kv_heads, shape.kv_heads)};
  attended.positions = {&position, 1};
  attended.scale = 0.125f;
  attended.out = out.data();
  const auto step = [&](const ParallelFor& threads) {
    const ForwardScope scope({&sequence, 1}, threads);
    attended.context = scope.handle();
    for (std::size_t i = 0; i < linears.size(); ++i) {
      if (quantized_linear(linears[i], threads) != nullptr) std::abort();
      attended.layer = static_cast<std::int64_t>(i / 4);
      if (i % 4 == 0 && i / 4 < shape.layers && attention(attended) != nullptr) std::abort();
    }
  };
  const ParallelFor not_asking = [&](std::size_t n, RangeBody body) {
    parallel_for(n, [&](std::size_t begin, std::size_t end) { body(begin, end); });
  };
  // Each behind one of its own kind, which leaves the caches as it would.
  std::vector<double> each[2];
  const auto end = Clock::now() + std::chrono::seconds(4);
  do {
    for (const std::size_t kind : {0, 1}) {
      const ParallelFor& threads = kind == 0 ? parallel_for : not_asking;
      step(threads);
      const double start = now_seconds();
      step(threads);
      each[kind].push_back(now_seconds() - start);
    }
  } while (Clock::now() < end);
  for (const std::size_t kind : {0, 1}) {
    const auto middle = each[kind].begin() + static_cast<std::ptrdiff_t>(each[kind].size() / 2);
    std::nth_element(each[kind].begin(), middle, each[kind].end());
    report.row(names[kind], *middle, static_cast<double>(bytes), multiply_adds, activations);
  }
}

void run(std::size_t threads, const std::string& filter, bool only_limits) {
  one_thread = threads == 1;
  ThreadPool pool(threads);
  const ParallelFor& parallel_for = pool.parallel_for();
  const bench::Limits limits =
      bench::measure_limits(parallel_for, threads, [](const std::function<void()>& call) { return fast_call(call, 1.0); });
  if (only_limits) {
    std::printf("read_gbs %.2f\nread_96mib_gbs %.2f\nf32_gops %.1f\nbf16_gops %.1f\nint8_gops %.1f\namx_gops %.1f\n", limits.read_gbs, limits.cached_gbs,
                limits.f32_gops, limits.bf16_gops, limits.int8_gops, limits.amx_gops);
    return;
  }
  std::printf("%zu threads, %s: reads %.1f GB/s from memory, %.1f within 96 MiB; multiply-adds, Gop/s: %.0f of f32, %.0f of bf16, %.0f of "
              "int8, %.0f of int8 by AMX\n\n",
              threads, variant().name, limits.read_gbs, limits.cached_gbs, limits.f32_gops, limits.bf16_gops, limits.int8_gops, limits.amx_gops);
  const Report report(limits, filter);
  struct Shape {
    std::size_t n, k;
  };
  for (const Shape shape : {Shape{1536, 576}, Shape{8192, 2048}, Shape{2048, 8192}}) {
    for (const std::size_t m : {1, 8, 256}) {
      for (const Activations activations : {Activations::kInt8, Activations::kFloat32}) {
        bench_quantized(report, parallel_for, m, shape.n, shape.k, 4, false, activations);
        bench_quantized(report, parallel_for, m, shape.n, shape.k, 4, true, activations);
        bench_quantized(report, parallel_for, m, shape.n, shape.k, 8, false, activations);
      }
      bench_quantized(report, parallel_for, m, shape.n, shape.k, 16, false, Activations::kBFloat16);
      for (const int bits : {16, 32}) bench_quantized(report, parallel_for, m, shape.n, shape.k, bits, false, Activations::kFloat32);
      bench_linear(report, parallel_for, m, shape.n, shape.k);
    }
  }
  for (const std::size_t m : {1, 8, 256}) {
    bench_quantized(report, parallel_for, m, 16384, 2048, 4, false, Activations::kInt8, /*fused=*/true);
    bench_quantized(report, parallel_for, m, 16384, 2048, 4, false, Activations::kFloat32, /*fused=*/true);
    bench_between(report, parallel_for, m, 2048);
  }
  for (const std::size_t m : {1, 256}) bench_experts(report, parallel_for, m, 1536, 2048);
  for (const int bits : {4, 8}) {
    for (const std::size_t m : {1, 256}) bench_embedding(report, m, 128256, 2048, bits);
  }
  for (const KvType type : {KvType::kFloat32, KvType::kFloat16, KvType::kInt8, KvType::kBFloat16}) {
    for (const std::size_t past : {16, 512, 2048}) bench_attention(report, parallel_for, 1, past, 9, 3, 64, type);
    bench_attention(report, parallel_for, 256, 256, 9, 3, 64, type);
    for (const std::size_t past : {512, 2048}) bench_attention(report, parallel_for, 1, past, 32, 8, 64, type);
    bench_attention(report, parallel_for, 1, 512, 32, 8, 64, type, 8);
    bench_attention(report, parallel_for, 256, 256, 32, 8, 64, type);
  }
  for (const Activations activations : {Activations::kInt8, Activations::kFloat32}) {
    for (const std::size_t past : {16, 512}) {
      bench_step(report, parallel_for, {"SmolLM2-135M", 30, 576, 1536, 9, 3, 64, 49152, 8, true}, past, activations);
      bench_step(report, parallel_for, {"Llama 3.2 1B", 16, 2048, 8192, 32, 8, 64, 128256, 4, false}, past, activations);
    }
  }
}

}  // namespace
}  // namespace weft::kernels

int main(int argc, char** argv) {
  std::size_t threads = 1;
  std::string filter;
  bool only_limits = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const bool has_value = i + 1 < argc;
    if (option == "--limits") {
      only_limits = true;
    } else if (option == "--threads" && has_value) {
      const std::string_view value = argv[++i];
      const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), threads);
      if (error != std::errc{} || rest != value.data() + value.size() || threads < 1 || threads > 1024) {
        std::fprintf(stderr, "kernels_bench: --threads takes a whole number from 1 to 1024, and not '%s'\n", argv[i]);
        return 2;
      }
    } else if (option == "--filter" && has_value) {
      filter = argv[++i];
    } else {
      std::fprintf(stderr, "usage: kernels_bench [--threads N] [--filter WORD] [--limits]\n");
      return 2;
    }
  }
  weft::kernels::run(threads, filter, only_limits);
}
