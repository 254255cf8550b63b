#include "weft/tokenizer.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>

#include "hf_tokenizer.h"
#include "sentencepiece.h"
#include "sentencepiece_model.h"
#include "weft/error.h"

namespace weft {
namespace {

void check_size(std::uintmax_t bytes, const std::string& name, const TokenizerLimits& limits) {
  if (bytes <= limits.file_bytes) return;
  throw Error(
      ErrorCode::kTooLarge,
      "the file has " + std::to_string(bytes) + " bytes, beyond the bound of " + std::to_string(limits.file_bytes),
      name, "raise TokenizerLimits::file_bytes if it is a tokenizer");
}

std::string read_file(const std::filesystem::path& path, const TokenizerLimits& limits) {
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
  if (!error) check_size(size, name, limits);
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  if (file && !error) {
    bytes.resize(static_cast<std::size_t>(size));
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (error || !file) {
    throw Error(ErrorCode::kIo, std::string("cannot be read: ") + std::strerror(error ? error.value() : errno), name,
                "check that you may read it");
  }
  return bytes;
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_tokenizer(std::string_view bytes, std::string_view name,
                                                 const TokenizerLimits& limits) {
  check_size(bytes.size(), std::string(name), limits);
  if (tokenizer::is_sentencepiece_model(bytes)) return tokenizer::parse_sentencepiece(bytes, name, limits);
  const std::size_t start = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == std::string_view::npos) {
    throw Error(ErrorCode::kCorrupt, "the file is empty", std::string(name), "fetch it again");
  }
  if (bytes[start] != '{') {
    throw Error(ErrorCode::kUnsupported, "is no tokenizer file of a known format; this is: Hugging Face tokenizer.json",
                std::string(name), "name the model's tokenizer.json");
  }
  return tokenizer::parse_hf_tokenizer(bytes, name, limits);
}

std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path, const TokenizerLimits& limits) {
  return parse_tokenizer(read_file(path, limits), path.string(), limits);
}

}  // namespace weft
