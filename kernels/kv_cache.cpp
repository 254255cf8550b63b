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
constexpr std::array<char, 8> kMagic{'w', 'e', 'f', 't', '-', 'k', 'v', '2'};

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

// Calls use(pointer, bytes) for each contiguous run of the first `rows` rows of a layer's blocks. Key tiles and pairs of values are
// kept whole, so that the last ones may hold rows that don't count.
template <class Use>
bool for_each_run(const KvCache& cache, std::size_t layer, std::size_t rows, const Use& use) {
  const KvLayerShape& shape = cache.layers()[layer];
  const std::size_t number = KvBlock::number_bytes(cache.type());
  for (std::size_t begin = 0; begin < rows; begin += kBlockRows) {
    KvBlock& block = cache.block(layer, begin / kBlockRows);
    const std::size_t n = std::min(kBlockRows, rows - begin);
    const std::size_t tiled = (n + kLanes - 1) / kLanes * kLanes;
    const std::size_t paired = cache.type() == KvType::kBFloat16 ? (n + 1) / 2 * 2 : n;
    for (std::size_t head = 0; head < shape.kv_heads; ++head) {
      // Bytes of the blocks' memory, whatever is kept there.
      if (!use(block.keys<std::byte>(head), tiled * block.key_stride() * number) ||
          !use(block.values<std::byte>(head), paired * block.value_stride() * number)) {
        return false;
      }
      if (cache.type() != KvType::kInt8) continue;
      if (!use(reinterpret_cast<std::byte*>(block.key_scales(head)), n * sizeof(float)) ||
          !use(reinterpret_cast<std::byte*>(block.value_scales(head)), n * sizeof(float))) {
        return false;
      }
    }
  }
  return true;
}

const char* name_of(KvType type) {
  switch (type) {
    case KvType::kFloat32: return "float32";
    case KvType::kFloat16: return "float16";
    case KvType::kInt8: return "int8";
    case KvType::kBFloat16: break;
  }
  return "bfloat16";
}

}  // namespace

// Zeroed: a tile is read whole, and what was never written must not be a NaN.
KvBlock::KvBlock(const KvLayerShape& shape, KvType type)
    : shape_(shape), type_(type), data_(static_cast<std::byte*>(::operator new(bytes(), kAlignment))) {
  std::memset(data_, 0, bytes());
}

KvBlock::KvBlock(const KvBlock& other)
    : shape_(other.shape_), type_(other.type_), data_(static_cast<std::byte*>(::operator new(bytes(), kAlignment))) {
  std::memcpy(data_, other.data_, bytes());
}

KvBlock::~KvBlock() { ::operator delete(data_, kAlignment); }

KvCache::KvCache(std::vector<KvLayerShape> layers, std::size_t capacity, KvType type)
    : shapes_(std::move(layers)), capacity_(capacity), type_(type), blocks_(shapes_.size()) {}

void KvCache::prepare_rows(std::size_t layer, std::size_t begin, std::size_t end) {
  auto& blocks = blocks_[layer];
  const std::size_t last = (end + kBlockRows - 1) / kBlockRows;
  if (blocks.size() < last) blocks.resize(last);
  for (std::size_t i = begin / kBlockRows; i < last; ++i) {
    if (!blocks[i]) {
      blocks[i] = std::make_shared<KvBlock>(shapes_[layer], type_);
    } else if (blocks[i].use_count() > 1) {
      blocks[i] = std::make_shared<KvBlock>(*blocks[i]);
    }
  }
}

void KvCache::save(std::ostream& out) const {
  Writer writer(out);
  writer.bytes(kMagic.data(), kMagic.size());
  writer.number(static_cast<std::uint64_t>(type_));
  writer.number(static_cast<std::uint64_t>(shapes_.size()));
  writer.number(static_cast<std::uint64_t>(size_));
  for (std::size_t layer = 0; layer < shapes_.size(); ++layer) {
    writer.number(shapes_[layer]);
    for_each_run(*this, layer, size_, [&](const std::byte* data, std::size_t n) {
      writer.bytes(data, n);
      return true;
    });
  }
  writer.finish();
}

std::string KvCache::load(std::istream& in) {
  Reader reader(in);
  std::array<char, kMagic.size()> magic{};
  if (!reader.bytes(magic.data(), magic.size()) || magic != kMagic) return "is no saved cache of this version";
  std::uint64_t type = 0, n_layers = 0, rows = 0;
  if (!reader.number(type) || !reader.number(n_layers) || !reader.number(rows)) return "ends within its header";
  if (type != static_cast<std::uint64_t>(type_)) {
    const bool known = type <= static_cast<std::uint64_t>(KvType::kBFloat16);
    return "holds " + (known ? std::string(name_of(static_cast<KvType>(type))) : "numbers of type " + std::to_string(type)) +
           ", but a cache here holds " + name_of(type_);
  }
  if (n_layers != shapes_.size()) return "is of another model: it has " + std::to_string(n_layers) + " layers";
  if (rows > capacity_) {
    return "holds " + std::to_string(rows) + " tokens, but a cache here holds " + std::to_string(capacity_);
  }
  KvCache loaded(shapes_, capacity_, type_);
  for (std::size_t layer = 0; layer < shapes_.size(); ++layer) {
    KvLayerShape shape;
    if (!reader.number(shape)) return "ends within layer " + std::to_string(layer);
    if (shape != shapes_[layer]) return "is of another model: layer " + std::to_string(layer) + " has other head sizes";
    loaded.prepare_rows(layer, 0, rows);
    const bool complete = for_each_run(loaded, layer, rows,
                                       [&](std::byte* data, std::size_t n) { return reader.bytes(data, n); });
    if (!complete) return "ends within layer " + std::to_string(layer);
  }
  if (!reader.finish()) return "has a wrong checksum: it was cut short or edited";
  loaded.size_ = static_cast<std::size_t>(rows);
  *this = std::move(loaded);
  return {};
}

}  // namespace weft::kernels
