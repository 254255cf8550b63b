// How fast each kernel is, beside what this machine can do at most.
//
//   kernels_bench [--threads N] [--filter WORD]
//
// A row says: the kernel and its shape, microseconds of the fastest call, bytes of weights or cache read for each second, and
// multiply-adds counted as two operations; then both as a share of the limits that the first lines measure in the same run.
// Working sets are larger than the caches where decoding's would be.

#include <algorithm>
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

#include "kernels/variants.h"
#include "weft/kernels/attention.h"
#include "weft/kernels/linear.h"
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

// Seconds of the fastest of as many calls as fit into the time given.
double fastest(const std::function<void()>& call, double seconds = 0.3) {
  double best = 1e9;
  call();
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const double start = now_seconds();
    call();
    best = std::min(best, now_seconds() - start);
  } while (Clock::now() < end);
  return best;
}

struct Limits {
  double read_gbs, f32_gflops;
};

// Reading more than any cache holds, all threads together.
double measure_reading(const ParallelFor& parallel_for) {
  std::vector<std::uint64_t> data(256 << 17);  // 256 MiB
  std::vector<std::uint64_t> sums(256);
  const double seconds = fastest([&] {
    parallel_for(256, [&](std::size_t begin, std::size_t end) {
      for (std::size_t piece = begin; piece < end; ++piece) {
        std::uint64_t sum[16] = {};
        const std::uint64_t* p = data.data() + piece * (data.size() / 256);
        for (std::size_t i = 0; i < data.size() / 256; i += 16) {
          for (std::size_t j = 0; j < 16; ++j) sum[j] += p[i + j];
        }
        for (const std::uint64_t each : sum) sums[piece] += each;
      }
    });
  });
  return static_cast<double>(data.size() * 8) / seconds / 1e9;
}

// A product that stays in the first-level cache: what the inner loop's multiply-adds reach at best.
double measure_f32(const ParallelFor& parallel_for, std::size_t threads) {
  constexpr std::size_t kRows = 4, kFeatures = 8, kColumns = 512, kTimes = 20;
  std::vector<float> input(kRows * kColumns), weight(kFeatures * kColumns);
  std::vector<std::vector<float>> out(threads * 4, std::vector<float>(kRows * kFeatures));
  const double seconds = fastest([&] {
    parallel_for(out.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        for (std::size_t n = 0; n < kTimes; ++n) {
          variant().linear_rows({input.data(), weight.data(), nullptr, out[i].data(), kRows, kFeatures, kColumns}, 0, kFeatures);
        }
      }
    });
  });
  return 2.0 * kRows * kFeatures * kColumns * kTimes * static_cast<double>(out.size()) / seconds / 1e9;
}

class Report {
 public:
  Report(Limits limits, std::string filter) : limits_(limits), filter_(std::move(filter)) {}
  [[nodiscard]] bool wants(const std::string& name) const { return name.find(filter_) != std::string::npos; }
  void row(const std::string& name, double seconds, double bytes, double multiply_adds) const {
    const double gbs = bytes / seconds / 1e9, gops = 2 * multiply_adds / seconds / 1e9;
    std::printf("%-58s %10.1f us %8.1f GB/s %4.0f%% %8.1f Gop/s %4.0f%%\n", name.c_str(), seconds * 1e6, gbs, 100 * gbs / limits_.read_gbs,
                gops, 100 * gops / limits_.f32_gflops);
    std::fflush(stdout);
  }

 private:
  Limits limits_;
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
                     bool minimum, Activations activations) {
  const std::string name = std::string("quantized_linear ") + std::to_string(bits) + " bit" + (minimum ? " with minima" : "") +
                           (activations == Activations::kInt8 ? ", int8 " : ", f32 ") + std::to_string(m) + "x" + std::to_string(k) + "x" +
                           std::to_string(n);
  if (!report.wants(name)) return;
  QuantizedMatrix matrix{nullptr, n, k, bits, minimum};
  // One token reads a new matrix each time, as a model of many layers does; many rows read one.
  const std::size_t copies = m <= 16 ? std::max<std::size_t>(1, (192u << 20) / matrix.bytes()) : 1;
  std::vector<std::uint8_t> data(matrix.bytes() * copies);
  std::uint64_t state = 1;
  for (std::size_t i = 0; i + 8 <= data.size(); i += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t masked = state & 0x3f3f3f3f3f3f3f3f;  // no f16 infinities among the scales
    std::memcpy(&data[i], &masked, 8);
  }
  const std::vector<float> input = random_floats(m * k);
  std::vector<float> out(m * n);
  std::size_t copy = 0;
  const double seconds = fastest([&] {
    matrix.data = data.data() + copy * matrix.bytes();
    copy = (copy + 1) % copies;
    (void)quantized_linear({.input = input.data(), .rows = m, .weight = matrix, .out = out.data(), .activations = activations}, parallel_for);
  });
  report.row(name, seconds, static_cast<double>(matrix.bytes()), static_cast<double>(m * n * k));
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
  const double seconds = fastest([&] {
    linear({input.data(), weight.data() + copy * n * k, nullptr, out.data(), m, n, k}, parallel_for);
    copy = (copy + 1) % copies;
  });
  report.row(name, seconds, static_cast<double>(n * k * 4), static_cast<double>(m * n * k));
}

void bench_attention(const Report& report, const ParallelFor& parallel_for, std::size_t tokens, std::size_t past, std::uint32_t heads,
                     std::uint32_t kv_heads, std::uint32_t size, KvType type) {
  const char* const types[] = {"f32", "f16", "int8"};
  const std::string name = std::string("attention ") + types[static_cast<std::size_t>(type)] + ", " + std::to_string(tokens) + " after " + std::to_string(past) + ", heads " + std::to_string(heads) +
                           "/" + std::to_string(kv_heads) + " of " + std::to_string(size);
  if (!report.wants(name)) return;
  constexpr std::size_t kLayers = 16;
  KvCache cache(std::vector<KvLayerShape>(kLayers, {kv_heads, size, size}), past + tokens, type);
  for (std::size_t layer = 0; layer < kLayers; ++layer) cache.prepare_rows(layer, 0, past + tokens);
  cache.set_size(past);
  const std::vector<float> query = random_floats(tokens * heads * size), key = random_floats(tokens * kv_heads * size);
  std::vector<float> out(tokens * heads * size);
  std::vector<std::int64_t> positions(tokens);
  for (std::size_t i = 0; i < tokens; ++i) positions[i] = static_cast<std::int64_t>(past + i);
  const Sequence sequence{&cache, tokens};
  const ForwardScope scope({&sequence, 1}, parallel_for);
  std::int64_t layer = 0;
  const double seconds = fastest([&] {
    AttentionArguments a{.query = {query.data(), heads, tokens, size, tokens * size, size},
                         .key = {key.data(), kv_heads, tokens, size, tokens * size, size},
                         .value = {key.data(), kv_heads, tokens, size, tokens * size, size}};
    a.positions = positions;
    a.context = scope.handle();
    a.layer = layer;
    layer = (layer + 1) % kLayers;
    a.scale = 0.125f;
    a.out = out.data();
    if (attention(a) != nullptr) std::abort();
  });
  double seen = 0;
  for (std::size_t i = 0; i < tokens; ++i) seen += static_cast<double>(past + i + 1);
  report.row(name, seconds, static_cast<double>(past + tokens) * kv_heads * size * 2 * KvBlock::number_bytes(type), seen * heads * size * 2);
}

void run(std::size_t threads, const std::string& filter) {
  one_thread = threads == 1;
  ThreadPool pool(threads);
  const ParallelFor& parallel_for = pool.parallel_for();
  const Limits limits{measure_reading(parallel_for), measure_f32(parallel_for, threads)};
  std::printf("%zu threads, %s: reads %.1f GB/s from memory, %.0f Gop/s of f32 multiply-adds\n\n", threads, variant().name, limits.read_gbs,
              limits.f32_gflops);
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
      bench_linear(report, parallel_for, m, shape.n, shape.k);
    }
  }
  for (const KvType type : {KvType::kFloat32, KvType::kFloat16, KvType::kInt8}) {
    for (const std::size_t past : {16, 512, 2048}) bench_attention(report, parallel_for, 1, past, 9, 3, 64, type);
    bench_attention(report, parallel_for, 256, 256, 9, 3, 64, type);
    for (const std::size_t past : {512, 2048}) bench_attention(report, parallel_for, 1, past, 32, 8, 64, type);
    bench_attention(report, parallel_for, 256, 256, 32, 8, 64, type);
  }
}

}  // namespace
}  // namespace weft::kernels

int main(int argc, char** argv) {
  std::size_t threads = 1;
  std::string filter;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc || (option != "--threads" && option != "--filter")) {
      std::fprintf(stderr, "usage: kernels_bench [--threads N] [--filter WORD]\n");
      return 2;
    }
    if (option == "--threads") threads = static_cast<std::size_t>(std::clamp(std::atoi(argv[i + 1]), 1, 1024));
    else filter = argv[i + 1];
  }
  weft::kernels::run(threads, filter);
}
