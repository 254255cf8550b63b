// What the tests of weft::model are made of: a folder, a zip, a model file in memory.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "weft/backend.h"
#include "weft/error.h"

namespace weft::test {

/// An empty folder of one test, removed with it.
class Folder {
 public:
  Folder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("weft-") + test->test_suite_name() + "-" + test->name() + "-" + std::to_string(::getpid()));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    // Removed first: ext4 flushes a file that is truncated and rewritten to the disk, which takes milliseconds.
    std::filesystem::remove(path_ / name);
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string little_endian(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

enum class ZipEnd {
  kPlain,
  kZip64,  // as torch writes: all that counts is in the 64-bit record
};

/// A zip archive of empty entries.
inline std::string make_zip(const std::vector<std::string>& names, ZipEnd end = ZipEnd::kZip64,
                            const std::string& comment = "") {
  std::string zip, directory;
  for (const std::string& name : names) {
    const std::string sizes = little_endian(name.size(), 2);
    directory += "PK\x01\x02" + std::string(24, '\0') + sizes + std::string(12, '\0') + little_endian(zip.size(), 4) + name;
    zip += "PK\x03\x04" + std::string(22, '\0') + sizes + std::string(2, '\0') + name;
  }
  const std::size_t offset = zip.size();
  zip += directory;
  if (end == ZipEnd::kZip64) {
    const std::size_t end64 = zip.size();
    zip += "PK\x06\x06" + little_endian(44, 8) + std::string(12, '\0') + little_endian(names.size(), 8) +
           little_endian(names.size(), 8) + little_endian(directory.size(), 8) + little_endian(offset, 8);
    zip += "PK\x06\x07" + std::string(4, '\0') + little_endian(end64, 8) + little_endian(1, 4);
    return zip + "PK\x05\x06" + std::string(4, '\0') + std::string(12, '\xFF') + little_endian(comment.size(), 2) + comment;
  }
  return zip + "PK\x05\x06" + std::string(4, '\0') + little_endian(names.size(), 2) + little_endian(names.size(), 2) +
         little_endian(directory.size(), 4) + little_endian(offset, 4) + little_endian(comment.size(), 2) + comment;
}

inline std::string make_aoti_package() {
  return make_zip({"m/data/aotinductor/model/x.so", "m/archive_format", "m/archive_version", "m/byteorder"});
}

/// Two letters, their merge, and two control tokens.
inline std::string small_tokenizer() {
  const auto control = [](int id, const char* text) {
    return nlohmann::json{{"id", id},         {"content", text},      {"single_word", false}, {"lstrip", false},
                          {"rstrip", false},  {"normalized", false}, {"special", true}};
  };
  return nlohmann::json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", {control(3, "<|begin|>"), control(4, "<|end|>")}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}},
        {"merges", {"a b"}}}}}
      .dump();
}

/// A model file that is nothing but assets.
class FileOfAssets final : public ModelFile {
 public:
  explicit FileOfAssets(std::map<std::string, std::string> assets) : assets_(std::move(assets)) {}
  [[nodiscard]] std::vector<std::string> assets() const override {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : assets_) names.push_back(name);
    return names;
  }
  [[nodiscard]] std::optional<std::string> asset(std::string_view name) const override {
    const auto found = assets_.find(std::string(name));
    if (found == assets_.end()) return std::nullopt;
    return found->second;
  }
  [[nodiscard]] std::vector<std::string> methods() const override { return {"forward"}; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const override { return {}; }
  [[nodiscard]] std::unique_ptr<Runner> load_runner(const RunnerOptions&) override { return nullptr; }

 private:
  std::map<std::string, std::string> assets_;
};

/// Runs `action`, which has to throw an Error, and gives it.
template <typename Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return Error(ErrorCode::kInternal, "none");
}

}  // namespace weft::test
