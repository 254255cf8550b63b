// A fuzz target without libFuzzer: runs files, and what a seed makes of them.
//
//   fuzz_gguf [--mutations N] [--seed S] FILE_OR_FOLDER...
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

void run(const std::string& bytes) {
  // A copy of its own size: a sanitizer sees each byte that is read behind it.
  const std::vector<unsigned char> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::string mutated(std::string bytes, const std::vector<std::string>& others, std::mt19937_64& random) {
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % std::max<std::size_t>(bound, 1)); };
  for (std::size_t left = 1 + below(4); left > 0 && !bytes.empty(); --left) {
    const std::size_t at = below(bytes.size());
    switch (below(7)) {
      case 0: bytes.resize(at); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8)); break;
      case 2: bytes[at] = static_cast<char>(below(256)); break;
      case 3: bytes.erase(at, 1 + below(16)); break;
      case 4: bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(64))); break;
      case 5: {
        const std::string& other = others[below(others.size())];
        const std::size_t from = below(other.size());
        bytes.replace(at, below(32), other.substr(std::min(from, other.size()), 1 + below(64)));
        break;
      }
      default:  // a number, as binary formats have them
        for (std::size_t i = at; i < std::min(at + (std::size_t{1} << below(4)), bytes.size()); ++i) {
          bytes[i] = below(2) != 0 ? '\xff' : '\0';
        }
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t mutations = 0;
  std::uint64_t seed = 1;
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if ((argument == "--mutations" || argument == "--seed") && i + 1 < argc) {
      (argument == "--seed" ? seed : mutations) = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::directory_iterator(argument)) paths.push_back(entry.path());
    } else {
      paths.push_back(argument);
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> files;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "can't read %s\n", path.c_str());
      return 2;
    }
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    std::fprintf(stderr, "%s\n", path.c_str());  // the last line names what broke
    run(files.back());
  }
  if (files.empty()) {
    std::fprintf(stderr, "usage: %s [--mutations N] [--seed S] FILE_OR_FOLDER...\n", argv[0]);
    return 2;
  }
  const char* const dump = std::getenv("WEFT_FUZZ_LAST_INPUT");  // where each input is kept before it runs
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < mutations; ++i) {
    const std::string bytes = mutated(files[random() % files.size()], files, random);
    if (dump != nullptr) std::ofstream(dump, std::ios::binary) << bytes;
    run(bytes);
  }
  std::printf("%zu files, %zu mutations\n", files.size(), mutations);
  return 0;
}
