// Times weft's tokenizer on one text in this process and prints JSON; run.py starts one process for each measurement.
//
//   tokenizer_bench TOKENIZER TEXT [REPEAT]
//   tokenizer_bench TOKENIZER --compile OUT     writes the compiled form
//
// The first encode is cold: nothing has been encoded before it. "batch_1_s" and "batch_2_s" are the text's lines as a batch
// on one and on two threads, "batch_cpu_s" and "batch_2_cpu_s" what that takes of the processor's time.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.h"
#include "weft/tokenizer.h"

namespace {

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Times {
  std::vector<double> wall, cpu;

  template <typename Work>
  void add(Work&& work) {
    const double wall_start = seconds(CLOCK_MONOTONIC), cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    work();
    cpu.push_back(seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
    wall.push_back(seconds(CLOCK_MONOTONIC) - wall_start);
  }
};

void print(const char* name, const std::vector<double>& values) {
  std::printf("\"%s\": [", name);
  for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.9f", i == 0 ? "" : ", ", values[i]);
  std::printf("], ");
}

long long peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<long long>(usage.ru_maxrss) * 1024;
}

int run(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tokenizer_bench TOKENIZER TEXT [REPEAT] | TOKENIZER --compile OUT\n");
    return 2;
  }
  if (argc == 4 && std::string_view(argv[2]) == "--compile") {
    std::ofstream(argv[3], std::ios::binary) << weft::compile_tokenizer(*weft::load_tokenizer(argv[1]));
    return 0;
  }
  std::ifstream file(argv[2], std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file && text.empty()) {
    std::fprintf(stderr, "%s: cannot be read\n", argv[2]);
    return 2;
  }
  const int repeat = argc > 3 ? std::atoi(argv[3]) : 1;
  const long long before = peak_bytes();
  Times load, encode, decode;
  std::unique_ptr<const weft::Tokenizer> tokenizer;
  load.add([&] { tokenizer = weft::load_tokenizer(argv[1]); });
  const long long load_bytes = peak_bytes() - before;
  std::vector<weft::Token> ids;
  std::string decoded;
  for (int i = 0; i < repeat; ++i) encode.add([&] { ids = tokenizer->encode(text, weft::Specials::kAsText); });
  for (int i = 0; i < repeat; ++i) decode.add([&] { decoded = tokenizer->decode(ids, weft::Specials::kAsTokens); });
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lines.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end;
  }
  Times batch[2];
  for (int i = 0; i < repeat; ++i) {
    for (unsigned threads : {1u, 2u}) {
      batch[threads - 1].add([&] { (void)weft::encode_batch(*tokenizer, lines, weft::Specials::kAsText, threads); });
    }
  }
  std::printf("{\"library\": \"weft (native)\", \"load_s\": %.9f, \"load_cpu_s\": %.9f, \"load_bytes\": %lld, ", load.wall[0],
              load.cpu[0], load_bytes);
  print("encode_s", encode.wall);
  print("encode_cpu_s", encode.cpu);
  print("decode_s", decode.wall);
  print("decode_cpu_s", decode.cpu);
  print("batch_1_s", batch[0].wall);
  print("batch_cpu_s", batch[0].cpu);
  print("batch_2_cpu_s", batch[1].cpu);
  print("batch_2_s", batch[1].wall);
  std::printf("\"tokens\": %zu, \"round_trip\": %s, \"peak_bytes\": %lld}\n", ids.size(),
              decoded == text ? "true" : "false", peak_bytes());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const weft::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
