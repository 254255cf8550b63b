#include "compiled.h"

#include "utf8.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kMagic = "weft.tok";
// Goes up whenever a table's layout, a hash, a list of fields or what a value stands for changes: such a file is then made again, not converted.
constexpr std::uint32_t kVersion = 5;

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint64_t checksum;  // of the file with this field 0
  std::array<std::uint64_t, 4> reserved;
};
static_assert(sizeof(Header) == kCompiledAlignment && kIsPlain<Header>);

// Eight lanes of a multiplication each, so that it runs as fast as memory gives. Each step is one-to-one, so that a single
// changed word always shows.
std::uint64_t checksum_of(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
  std::array<std::uint64_t, 8> lanes;
  lanes.fill(seed ^ bytes.size());
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  const auto add = [&](const char* from) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      std::uint64_t word;
      std::memcpy(&word, from + 8 * i, sizeof word);
      lanes[i] = (std::rotl(lanes[i], 29) ^ word) * kOdd;
    }
  };
  for (; left >= 64; p += 64, left -= 64) add(p);
  if (left != 0) {
    std::array<char, 64> rest{};
    std::memcpy(rest.data(), p, left);
    add(rest.data());
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t lane : lanes) {
    sum = (std::rotl(sum, 29) ^ lane) * kOdd;
    sum ^= sum >> 32;
  }
  return sum;
}

std::uint64_t checksum_of(Header header, std::string_view body) {
  header.checksum = 0;
  return checksum_of(body, checksum_of({reinterpret_cast<const char*>(&header), sizeof header}, 0));
}

}  // namespace

bool is_compiled(std::string_view bytes) { return bytes.starts_with(kMagic); }

bool is_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

void CompiledWriter::demand_utf8(std::string_view text) {
  if (is_utf8(text)) return;
  throw Error(ErrorCode::kUnsupported, "a tokenizer with a piece or a text that isn't UTF-8 can't be compiled", "tokenizer",
              "keep the file that it was loaded from");
}

void CompiledWriter::put(const std::string& text) {
  demand_utf8(text);
  put_number(text.size());
  append(text.data(), text.size());
}

void CompiledWriter::put_number(std::uint64_t number) { append(&number, sizeof number); }

void CompiledWriter::append(const void* data, std::size_t size) {
  if (size != 0) bytes_.append(static_cast<const char*>(data), size);
}

void CompiledWriter::align() {
  bytes_.resize((bytes_.size() + kCompiledAlignment - 1) / kCompiledAlignment * kCompiledAlignment, '\0');
}

std::string seal_compiled(std::string content) {
  Header header{};
  kMagic.copy(header.magic.data(), kMagic.size());
  header.version = kVersion;
  header.header_bytes = sizeof header;
  header.file_bytes = sizeof header + content.size();
  header.checksum = checksum_of(header, content);
  content.insert(0, reinterpret_cast<const char*>(&header), sizeof header);
  return content;
}

CompiledReader::CompiledReader(std::string_view bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)), pos_(sizeof(Header)) {
  Header header{};
  demand(bytes.size() >= sizeof header, "ends inside of its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != kVersion) {
    throw Error(ErrorCode::kUnsupported,
                "is a compiled tokenizer of version " + std::to_string(header.version) + "; this build reads version " +
                    std::to_string(kVersion),
                name_, "export the model again, or make the file again with weft tokenize --compile");
  }
  demand(header.header_bytes == sizeof header, "has a header of another size");
  if (header.file_bytes != bytes.size()) {
    fail("has " + std::to_string(bytes.size()) + " bytes, where its header says " + std::to_string(header.file_bytes));
  }
  demand(checksum_of(header, bytes.substr(sizeof header)) == header.checksum, "is damaged: its checksum doesn't match");
}

void CompiledReader::fail(std::string_view what) const {
  throw Error(ErrorCode::kCorrupt, "the compiled tokenizer " + std::string(what), name_,
              "export the model again, or make the file again with weft tokenize --compile");
}

void CompiledReader::get(std::string& text) {
  const std::size_t size = read_size(1);
  text.assign(read(size), size);
  demand(is_utf8(text), "has a text that isn't UTF-8");
}

std::uint64_t CompiledReader::read_u64() {
  std::uint64_t number;
  std::memcpy(&number, read(sizeof number), sizeof number);
  return number;
}

std::size_t CompiledReader::read_size(std::size_t element_bytes) {
  const std::uint64_t size = read_u64();
  demand(size <= (bytes_.size() - pos_) / element_bytes, "has more elements than bytes");
  return static_cast<std::size_t>(size);
}

const char* CompiledReader::read(std::size_t size) {
  demand(size <= bytes_.size() - pos_, "ends early");
  return bytes_.data() + std::exchange(pos_, pos_ + size);
}

void CompiledReader::align() {
  const std::size_t aligned = (pos_ + kCompiledAlignment - 1) / kCompiledAlignment * kCompiledAlignment;
  demand(aligned <= bytes_.size(), "ends early");
  pos_ = aligned;
}

}  // namespace weft::tokenizer
