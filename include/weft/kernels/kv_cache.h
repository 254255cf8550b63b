// The keys and values that one sequence's attention has seen: C++ memory outside of any exported graph.
//
// C capacity, Hkv key/value heads, D key size, Dv value size. Rows live in blocks of kBlockRows, made
// as they are needed and shared between forks until one of them writes (copy on write), so that
// a fork costs no copy and an unused context no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace weft::kernels {

/// Vectors of the kernels hold this many f32; rows and head sizes are padded to it.
inline constexpr std::size_t kLanes = 16;
/// Rows of one block; a multiple of kLanes.
inline constexpr std::size_t kBlockRows = 128;

/// How a cache keeps numbers. Arithmetic on them is f32, except that of kBFloat16.
enum class KvType : std::uint32_t {
  kFloat32,   ///< As they come.
  kFloat16,   ///< IEEE 754 binary16, rounded to nearest; what is larger than 65504 becomes that. Half the memory.
  kInt8,      ///< 127 steps either side of zero and an f32 scale for each row of a head. A quarter.
  kBFloat16,  ///< f32 without its low 16 bits, rounded to nearest. Half the memory, and the fastest: a processor that multiplies such numbers
              ///< is given queries and softmax's weights that are rounded alike; sums are f32.
};

/// An f16's bits.
struct Half {
  std::uint16_t bits;
};

/// Two bfloat16, the first one in the low half.
struct BFloat16Pair {
  std::uint32_t bits;
};

/// What one layer keeps for each token.
struct KvLayerShape {
  std::uint32_t kv_heads = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  bool operator==(const KvLayerShape&) const = default;
};

/// kBlockRows rows of one layer, all heads. T is float, Half, std::int8_t or BFloat16Pair, as the cache's type says.
///   keys:   T [Hkv, kBlockRows / kLanes, D, kLanes]: a vector holds one component of kLanes rows' keys
///   values: T [Hkv, kBlockRows, Dv rounded up to kLanes], padded with zeros
///   scales: f32 [Hkv, kBlockRows] of the keys and as many of the values; only with kInt8
/// A pair stands for two components of a key, D / 2 rounded up in place of D, and for the values of two rows, kBlockRows / 2 in place of
/// kBlockRows: what one product of pairs adds up.
class KvBlock {
 public:
  KvBlock(const KvLayerShape& shape, KvType type);
  KvBlock(const KvBlock& other);
  KvBlock& operator=(const KvBlock&) = delete;
  ~KvBlock();

  [[nodiscard]] KvType type() const noexcept { return type_; }
  template <class T>
  [[nodiscard]] T* keys(std::size_t head) noexcept {
    return reinterpret_cast<T*>(data_ + head * kBlockRows * key_stride() * number_bytes(type_));
  }
  template <class T>
  [[nodiscard]] T* values(std::size_t head) noexcept {
    return reinterpret_cast<T*>(data_ + (shape_.kv_heads * key_stride() + head * value_stride()) * kBlockRows * number_bytes(type_));
  }
  [[nodiscard]] float* key_scales(std::size_t head) noexcept { return scales() + head * kBlockRows; }
  [[nodiscard]] float* value_scales(std::size_t head) noexcept { return scales() + (shape_.kv_heads + head) * kBlockRows; }
  /// Numbers that are kept of each row: D and Dv with their padding.
  [[nodiscard]] std::size_t key_stride() const noexcept { return type_ == KvType::kBFloat16 ? (shape_.key_size + 1) / 2 * 2 : shape_.key_size; }
  [[nodiscard]] std::size_t value_stride() const noexcept { return (shape_.value_size + kLanes - 1) / kLanes * kLanes; }

  /// Bytes of one number.
  [[nodiscard]] static std::size_t number_bytes(KvType type) noexcept {
    return type == KvType::kFloat32 ? 4 : type == KvType::kInt8 ? 1 : 2;
  }

 private:
  [[nodiscard]] float* scales() noexcept { return reinterpret_cast<float*>(data_ + numbers() * number_bytes(type_)); }
  [[nodiscard]] std::size_t numbers() const noexcept {
    return std::size_t{shape_.kv_heads} * kBlockRows * (key_stride() + value_stride());
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    const std::size_t scales = type_ == KvType::kInt8 ? std::size_t{shape_.kv_heads} * kBlockRows * 2 * sizeof(float) : 0;
    return numbers() * number_bytes(type_) + scales;
  }
  KvLayerShape shape_;
  KvType type_;
  std::byte* data_;
};

class KvCache {
 public:
  KvCache(std::vector<KvLayerShape> layers, std::size_t capacity, KvType type = KvType::kFloat32);

  [[nodiscard]] const std::vector<KvLayerShape>& layers() const noexcept { return shapes_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] KvType type() const noexcept { return type_; }
  /// Rows that count. Rows beyond, of a forward that hasn't ended, are written but not yet kept.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Keeps the first n rows, n <= capacity(); raising it keeps what a forward has written.
  void set_size(std::size_t n) noexcept { size_ = n; }

  /// Makes rows [begin, end) of a layer writable: allocates, or parts from a fork. May throw bad_alloc.
  void prepare_rows(std::size_t layer, std::size_t begin, std::size_t end);
  /// The block that holds rows [i * kBlockRows, (i + 1) * kBlockRows); prepared before.
  [[nodiscard]] KvBlock& block(std::size_t layer, std::size_t i) const noexcept { return *blocks_[layer][i]; }

  /// A second cache with the same rows. Blocks are shared until written.
  [[nodiscard]] KvCache fork() const { return *this; }

  /// The kept rows, as `weft-kv` version 2: magic, type, shapes, size, rows (little-endian), FNV-1a checksum.
  void save(std::ostream& out) const;
  /// Reads what save() wrote into this cache, whose layers and type must be the same.
  /// @return  Empty, or what is wrong; then this cache is unchanged.
  [[nodiscard]] std::string load(std::istream& in);

 private:
  std::vector<KvLayerShape> shapes_;
  std::size_t capacity_;
  KvType type_;
  std::size_t size_ = 0;
  std::vector<std::vector<std::shared_ptr<KvBlock>>> blocks_;  // [layer][block]
};

}  // namespace weft::kernels
