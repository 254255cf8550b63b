#include "weft/tokenizer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <system_error>

#include "compiled.h"
#include "gguf.h"
#include "gguf_metadata.h"
#include "hf_tokenizer.h"
#include "json.h"
#include "llama2c.h"
#include "mapped_file.h"
#include "sentencepiece.h"
#include "sentencepiece_model.h"
#include "staged_tokenizer.h"
#include "tekken.h"
#include "tiktoken.h"
#include "weft/error.h"

namespace weft {
namespace {

constexpr std::uintmax_t kGgufHead = 8 << 20;  // bytes to read first

// Places in the text of all pieces have 32 bits, whatever the limits say.
constexpr std::uintmax_t kMostBytes = std::numeric_limits<std::uint32_t>::max();

void check_size(std::uintmax_t bytes, const std::string& name, const TokenizerLimits& limits) {
  if (bytes > kMostBytes) {
    throw Error(ErrorCode::kTooLarge, "the file has " + std::to_string(bytes) + " bytes; no tokenizer may have 4 GiB", name,
                "choose another file");
  }
  if (bytes <= limits.file_bytes) return;
  throw Error(
      ErrorCode::kTooLarge,
      "the file has " + std::to_string(bytes) + " bytes, beyond the bound of " + std::to_string(limits.file_bytes),
      name, "raise TokenizerLimits::file_bytes if it is a tokenizer");
}

// The first `most` bytes of the file, or all.
std::string read_file(const std::filesystem::path& path, std::uintmax_t most, const TokenizerLimits* limits) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw Error(ErrorCode::kNotFound, "there is no such file", name, "check the path");
  }
  if (std::filesystem::is_directory(status)) {
    throw Error(ErrorCode::kIo, "is a folder, not a tokenizer file", name, "name the file in it");
  }
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (!error && limits != nullptr) check_size(size, name, *limits);
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  if (file && !error) {
    bytes.resize(static_cast<std::size_t>(std::min(size, most)));
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (error || !file) {
    throw Error(ErrorCode::kIo, std::string("cannot be read: ") + std::strerror(error ? error.value() : errno), name,
                "check that you may read it");
  }
  return bytes;
}

[[noreturn]] void refuse_cut_gguf(std::string_view name, std::size_t size) {
  throw Error(ErrorCode::kCorrupt, "ends inside of its metadata", std::string(name) + ": byte " + std::to_string(size),
              "the file is cut short or damaged; fetch it again");
}

std::unique_ptr<const Tokenizer> parse_gguf(std::string_view bytes, std::string_view name,
                                            const TokenizerLimits& limits) {
  return tokenizer::make_gguf_tokenizer(tokenizer::GgufMetadata(bytes, std::string(name)), limits);
}

// A model of many gigabytes has its metadata at its head.
std::unique_ptr<const Tokenizer> load_gguf(const std::filesystem::path& path, const TokenizerLimits& limits) {
  for (std::uintmax_t size = std::min<std::uintmax_t>(kGgufHead, limits.file_bytes);; size *= 2) {
    size = std::min<std::uintmax_t>(size, limits.file_bytes);
    const std::string bytes = read_file(path, size, nullptr);
    try {
      return parse_gguf(bytes, path.string(), limits);
    } catch (const tokenizer::GgufMetadata::TooShort&) {
      if (bytes.size() < size) refuse_cut_gguf(path.string(), bytes.size());
      check_size(size + (size == limits.file_bytes), path.string(), limits);
    }
  }
}

void check_no_options(const TokenizerOptions& options, std::string_view name) {
  if (options.encoding.empty() && options.pattern.empty() && options.special_tokens.empty()) return;
  throw Error(ErrorCode::kInvalidArgument, "an encoding, a pattern or control tokens are given for a file that has its own",
              std::string(name), "give them for tiktoken's rank files only");
}

// @param release  Called once `bytes` are not needed any more, if that is before the end.
std::unique_ptr<const Tokenizer> parse(std::string_view bytes, std::string_view name, const TokenizerOptions& options,
                                       const TokenizerLimits& limits, const std::function<void()>& release) {
  if (tokenizer::is_gguf(bytes)) {
    check_no_options(options, name);
    try {
      return parse_gguf(bytes, name, limits);
    } catch (const tokenizer::GgufMetadata::TooShort&) {
      refuse_cut_gguf(name, bytes.size());
    }
  }
  check_size(bytes.size(), std::string(name), limits);
  if (tokenizer::is_compiled(bytes)) {
    check_no_options(options, name);
    return tokenizer::parse_compiled(nullptr, bytes, name, limits);
  }
  if (bytes.starts_with("version https://git-lfs.github.com/")) {
    throw Error(ErrorCode::kUnsupported, "is a pointer of Git LFS, which stands for the file", std::string(name),
                "fetch the file itself: git lfs pull");
  }
  if (tokenizer::is_tiktoken(bytes)) return tokenizer::parse_tiktoken(bytes, name, options, limits);
  check_no_options(options, name);
  if (tokenizer::is_sentencepiece_model(bytes)) return tokenizer::parse_sentencepiece(bytes, name, limits);
  if (tokenizer::is_llama2c(bytes)) return tokenizer::parse_llama2c(bytes, name, limits);
  const std::size_t start = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == std::string_view::npos) {
    throw Error(ErrorCode::kCorrupt, "the file is empty", std::string(name), "fetch it again");
  }
  if (bytes[start] != '{') {
    throw Error(ErrorCode::kUnsupported,
                "is no tokenizer file of a known format; these are: Hugging Face tokenizer.json, SentencePiece .model, "
                "tiktoken ranks, Mistral tekken.json, llama2.c tokenizer.bin, GGUF, weft's compiled form",
                std::string(name), "name the model's tokenizer.json; if this is it, fetch it again");
  }
  auto document = std::make_unique<const tokenizer::JsonDocument>(bytes, std::string(name), limits);
  if (tokenizer::is_tekken(document->root())) return tokenizer::parse_tekken(document->root(), name, limits);
  return tokenizer::parse_hf_tokenizer(std::move(document), release, limits);
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_tokenizer(std::string_view bytes, std::string_view name,
                                                 const TokenizerOptions& options, const TokenizerLimits& limits) {
  return parse(bytes, name, options, limits, [] {});
}

std::unique_ptr<const Tokenizer> parse_tokenizer(std::string_view bytes, std::string_view name,
                                                 const TokenizerLimits& limits) {
  return parse_tokenizer(bytes, name, TokenizerOptions(), limits);
}

std::unique_ptr<const Tokenizer> parse_tokenizer(std::shared_ptr<const void> owner, std::string_view bytes,
                                                 std::string_view name, const TokenizerLimits& limits) {
  if (!tokenizer::is_compiled(bytes)) return parse_tokenizer(bytes, name, limits);
  check_size(bytes.size(), std::string(name), limits);
  return tokenizer::parse_compiled(std::move(owner), bytes, name, limits);
}

std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path, const TokenizerOptions& options,
                                                const TokenizerLimits& limits) {
  const std::string head = read_file(path, 8, nullptr);
  if (tokenizer::is_gguf(head)) {
    check_no_options(options, path.string());
    return load_gguf(path, limits);
  }
  if (tokenizer::is_compiled(head)) {
    check_no_options(options, path.string());
    if (auto file = tokenizer::MappedFile::open(path)) {
      const std::string_view bytes = file->bytes();
      return parse_tokenizer(std::move(file), bytes, path.string(), limits);
    }
  }
  std::string bytes = read_file(path, limits.file_bytes, &limits);
  return parse(bytes, path.string(), options, limits, [&] { std::string().swap(bytes); });
}

void save_tokenizer(const Tokenizer& tokenizer, const std::filesystem::path& path) {
  const std::string bytes = compile_tokenizer(tokenizer);
  const std::filesystem::path unfinished = path.string() + ".unfinished";
  std::error_code error;
  errno = 0;
  std::ofstream file(unfinished, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  const int reason = errno;
  if (file) std::filesystem::rename(unfinished, path, error);
  if (file && !error) return;
  const std::string why = error ? error.message() : std::strerror(reason);
  std::filesystem::remove(unfinished, error);
  throw Error(ErrorCode::kIo, "can't be written: " + why, path.string(), "check the folder, its permissions and the disk");
}

std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path, const TokenizerLimits& limits) {
  return load_tokenizer(path, TokenizerOptions(), limits);
}

}  // namespace weft
