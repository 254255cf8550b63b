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

/// What one layer keeps for each token.
struct KvLayerShape {
  std::uint32_t kv_heads = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  bool operator==(const KvLayerShape&) const = default;
};

/// kBlockRows rows of one layer, all heads.
///   keys:   f32 [Hkv, kBlockRows / kLanes, D, kLanes]: a vector holds one component of kLanes rows' keys
///   values: f32 [Hkv, kBlockRows, Dv rounded up to kLanes], padded with zeros
class KvBlock {
 public:
  explicit KvBlock(const KvLayerShape& shape);
  KvBlock(const KvBlock& other);
  KvBlock& operator=(const KvBlock&) = delete;
  ~KvBlock();

  [[nodiscard]] float* keys(std::size_t head) noexcept { return data_ + head * kBlockRows * shape_.key_size; }
  [[nodiscard]] float* values(std::size_t head) noexcept {
    return data_ + shape_.kv_heads * kBlockRows * shape_.key_size + head * kBlockRows * value_stride();
  }
  [[nodiscard]] std::size_t value_stride() const noexcept { return (shape_.value_size + kLanes - 1) / kLanes * kLanes; }

 private:
  [[nodiscard]] std::size_t floats() const noexcept {
    return std::size_t{shape_.kv_heads} * kBlockRows * (shape_.key_size + value_stride());
  }
  KvLayerShape shape_;
  float* data_;
};

class KvCache {
 public:
  KvCache(std::vector<KvLayerShape> layers, std::size_t capacity);

  [[nodiscard]] const std::vector<KvLayerShape>& layers() const noexcept { return shapes_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
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

  /// The kept rows, as `weft-kv` version 1: magic, shapes, size, f32 rows (little-endian), FNV-1a checksum.
  void save(std::ostream& out) const;
  /// Reads what save() wrote into this cache, whose layers must be the same.
  /// @return  Empty, or what is wrong; then this cache is unchanged.
  [[nodiscard]] std::string load(std::istream& in);

 private:
  std::vector<KvLayerShape> shapes_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::vector<std::vector<std::shared_ptr<KvBlock>>> blocks_;  // [layer][block]
};

}  // namespace weft::kernels
