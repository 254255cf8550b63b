#include "weft/kernels/kv_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <istream>
#include <new>
#include <ostream>

namespace weft::kernels {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::array<char, 8> kMagic{'w', 'e', 'f', 't', '-', 'k', 'v', '1'};

// FNV-1a, 64 bit (RFC 9923), over 8-byte words where it can: a check against cut or edited files, not a signature.
class Checksum {
 public:
  void add(const void* data, std::size_t n) noexcept {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (; n >= 8; n -= 8, bytes += 8) {
      std::uint64_t word;
      std::memcpy(&word, bytes, 8);
      state_ = (state_ ^ word) * kPrime;
    }
    for (; n > 0; --n, ++bytes) state_ = (state_ ^ *bytes) * kPrime;
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return state_; }

 private:
  static constexpr std::uint64_t kPrime = 0x100000001b3;
  std::uint64_t state_ = 0xcbf29ce484222325;
};

class Writer {
 public:
  explicit Writer(std::ostream& out) : out_(out) {}
  void bytes(const void* data, std::size_t n) {
    out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(n));
    checksum_.add(data, n);
  }
  template <class T>
  void number(T value) {
    bytes(&value, sizeof value);
  }
  void finish() {
    const std::uint64_t sum = checksum_.value();
    out_.write(reinterpret_cast<const char*>(&sum), sizeof sum);
  }

 private:
  std::ostream& out_;
  Checksum checksum_;
};

class Reader {
 public:
  explicit Reader(std::istream& in) : in_(in) {}
  [[nodiscard]] bool bytes(void* data, std::size_t n) {
    in_.read(static_cast<char*>(data), static_cast<std::streamsize>(n));
    if (static_cast<std::size_t>(in_.gcount()) != n) return false;
    checksum_.add(data, n);
    return true;
  }
  template <class T>
  [[nodiscard]] bool number(T& value) {
    return bytes(&value, sizeof value);
  }
  [[nodiscard]] bool finish() {
    const std::uint64_t expected = checksum_.value();
    std::uint64_t sum = 0;
    in_.read(reinterpret_cast<char*>(&sum), sizeof sum);
    return in_.gcount() == sizeof sum && sum == expected;
  }

 private:
  std::istream& in_;
  Checksum checksum_;
};

// Calls use(pointer, floats) for each contiguous run of the first `rows` rows of a layer's blocks. Key tiles are
// kept whole, so that the last one may hold up to kLanes - 1 rows that don't count.
template <class Use>
bool for_each_run(const KvCache& cache, std::size_t layer, std::size_t rows, const Use& use) {
  const KvLayerShape& shape = cache.layers()[layer];
  for (std::size_t begin = 0; begin < rows; begin += kBlockRows) {
    KvBlock& block = cache.block(layer, begin / kBlockRows);
    const std::size_t n = std::min(kBlockRows, rows - begin);
    const std::size_t tiled = (n + kLanes - 1) / kLanes * kLanes;
    for (std::size_t head = 0; head < shape.kv_heads; ++head) {
      if (!use(block.keys(head), tiled * shape.key_size)) return false;
      if (!use(block.values(head), n * block.value_stride())) return false;
    }
  }
  return true;
}

}  // namespace

// Zeroed: a tile is read whole, and what was never written must not be a NaN.
KvBlock::KvBlock(const KvLayerShape& shape)
    : shape_(shape), data_(static_cast<float*>(::operator new(floats() * sizeof(float), kAlignment))) {
  std::memset(data_, 0, floats() * sizeof(float));
}

KvBlock::KvBlock(const KvBlock& other)
    : shape_(other.shape_), data_(static_cast<float*>(::operator new(floats() * sizeof(float), kAlignment))) {
  std::memcpy(data_, other.data_, floats() * sizeof(float));
}

KvBlock::~KvBlock() { ::operator delete(data_, kAlignment); }

KvCache::KvCache(std::vector<KvLayerShape> layers, std::size_t capacity)
    : shapes_(std::move(layers)), capacity_(capacity), blocks_(shapes_.size()) {}

void KvCache::prepare_rows(std::size_t layer, std::size_t begin, std::size_t end) {
  auto& blocks = blocks_[layer];
  const std::size_t last = (end + kBlockRows - 1) / kBlockRows;
  if (blocks.size() < last) blocks.resize(last);
  for (std::size_t i = begin / kBlockRows; i < last; ++i) {
    if (!blocks[i]) {
      blocks[i] = std::make_shared<KvBlock>(shapes_[layer]);
    } else if (blocks[i].use_count() > 1) {
      blocks[i] = std::make_shared<KvBlock>(*blocks[i]);
    }
  }
}

void KvCache::save(std::ostream& out) const {
  Writer writer(out);
  writer.bytes(kMagic.data(), kMagic.size());
  writer.number(static_cast<std::uint64_t>(shapes_.size()));
  writer.number(static_cast<std::uint64_t>(size_));
  for (std::size_t layer = 0; layer < shapes_.size(); ++layer) {
    writer.number(shapes_[layer]);
    for_each_run(*this, layer, size_, [&](const float* data, std::size_t n) {
      writer.bytes(data, n * sizeof(float));
      return true;
    });
  }
  writer.finish();
}

std::string KvCache::load(std::istream& in) {
  Reader reader(in);
  std::array<char, kMagic.size()> magic{};
  if (!reader.bytes(magic.data(), magic.size()) || magic != kMagic) return "is no saved cache of this version";
  std::uint64_t n_layers = 0, rows = 0;
  if (!reader.number(n_layers) || !reader.number(rows)) return "ends within its header";
  if (n_layers != shapes_.size()) return "is of another model: it has " + std::to_string(n_layers) + " layers";
  if (rows > capacity_) {
    return "holds " + std::to_string(rows) + " tokens, but a cache here holds " + std::to_string(capacity_);
  }
  KvCache loaded(shapes_, capacity_);
  for (std::size_t layer = 0; layer < shapes_.size(); ++layer) {
    KvLayerShape shape;
    if (!reader.number(shape)) return "ends within layer " + std::to_string(layer);
    if (shape != shapes_[layer]) return "is of another model: layer " + std::to_string(layer) + " has other head sizes";
    loaded.prepare_rows(layer, 0, rows);
    const bool complete = for_each_run(loaded, layer, rows,
                                       [&](float* data, std::size_t n) { return reader.bytes(data, n * sizeof(float)); });
    if (!complete) return "ends within layer " + std::to_string(layer);
  }
  if (!reader.finish()) return "has a wrong checksum: it was cut short or edited";
  loaded.size_ = static_cast<std::size_t>(rows);
  *this = std::move(loaded);
  return {};
}

}  // namespace weft::kernels
