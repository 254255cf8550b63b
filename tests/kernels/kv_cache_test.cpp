#include "weft/kernels/kv_cache.h"

#include <gtest/gtest.h>

#include <sstream>

namespace weft::kernels {
namespace {

const std::vector<KvLayerShape> kLayers = {{2, 8, 8}, {1, 4, 20}};

// A cache of `n` rows whose numbers tell where they belong.
KvCache filled(std::size_t n, std::size_t capacity = 1000) {
  KvCache cache(kLayers, capacity);
  for (std::size_t layer = 0; layer < kLayers.size(); ++layer) {
    cache.prepare_rows(layer, 0, n);
    for (std::size_t row = 0; row < n; ++row) {
      KvBlock& block = cache.block(layer, row / kBlockRows);
      block.values<float>(0)[row % kBlockRows * block.value_stride()] = static_cast<float>(row + 1000 * layer);
    }
  }
  cache.set_size(n);
  return cache;
}

float value_of(const KvCache& cache, std::size_t layer, std::size_t row) {
  KvBlock& block = cache.block(layer, row / kBlockRows);
  return block.values<float>(0)[row % kBlockRows * block.value_stride()];
}

TEST(KvCache, ForkSharesBlocksUntilOneWrites) {
  KvCache cache = filled(200);
  KvCache fork = cache.fork();
  EXPECT_EQ(&cache.block(0, 0), &fork.block(0, 0));
  fork.prepare_rows(0, 200, 201);
  EXPECT_EQ(&cache.block(0, 0), &fork.block(0, 0)) << "a full block is never written again";
  EXPECT_NE(&cache.block(0, 1), &fork.block(0, 1));
  EXPECT_EQ(value_of(fork, 0, 150), 150.0f);
}

TEST(KvCache, SavesAndLoadsAllRows) {
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{128}, std::size_t{129}, std::size_t{300}}) {
    std::stringstream stream;
    filled(n).save(stream);
    KvCache loaded(kLayers, 1000);
    ASSERT_EQ(loaded.load(stream), "") << n;
    EXPECT_EQ(loaded.size(), n);
    for (std::size_t row = 0; row < n; ++row) {
      ASSERT_EQ(value_of(loaded, 0, row), static_cast<float>(row));
      ASSERT_EQ(value_of(loaded, 1, row), static_cast<float>(row + 1000));
    }
  }
}

TEST(KvCache, SavesAndLoadsEveryType) {
  for (const KvType type : {KvType::kFloat32, KvType::kFloat16, KvType::kInt8, KvType::kBFloat16}) {
    KvCache cache({{2, 9, 20}}, 1000, type);
    cache.prepare_rows(0, 0, 151);
    cache.set_size(151);
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t numbers = 2 * kBlockRows * (cache.block(0, i).key_stride() + 32) * KvBlock::number_bytes(type);
      for (std::size_t at = 0; at < numbers; ++at) cache.block(0, i).keys<std::uint8_t>(0)[at] = static_cast<std::uint8_t>(at * 7 + i);
      if (type == KvType::kInt8) cache.block(0, i).value_scales(1)[5] = 0.25f;
    }
    std::stringstream stream;
    cache.save(stream);
    KvCache loaded({{2, 9, 20}}, 1000, type);
    ASSERT_EQ(loaded.load(stream), "");
    std::stringstream again;
    loaded.save(again);
    EXPECT_EQ(again.str(), stream.str());
    if (type == KvType::kInt8) {
      EXPECT_EQ(loaded.block(0, 1).value_scales(1)[5], 0.25f);
    }
    for (const KvType other : {KvType::kFloat32, KvType::kFloat16, KvType::kInt8, KvType::kBFloat16}) {
      if (other == type) continue;
      std::istringstream in(stream.str());
      KvCache different({{2, 9, 20}}, 1000, other);
      EXPECT_NE(different.load(in).find("but a cache here holds"), std::string::npos);
    }
  }
}

TEST(KvCache, RefusesEveryCutOfASavedCache) {
  std::stringstream stream;
  filled(3).save(stream);
  const std::string saved = stream.str();
  for (std::size_t n = 0; n < saved.size(); ++n) {
    std::istringstream in(saved.substr(0, n));
    KvCache cache = filled(2);
    ASSERT_NE(cache.load(in), "") << n << " of " << saved.size() << " bytes";
    ASSERT_EQ(cache.size(), 2u) << "a failed load changes nothing";
  }
}

TEST(KvCache, RefusesAFlippedBit) {
  std::stringstream stream;
  filled(20).save(stream);
  const std::string saved = stream.str();
  for (std::size_t at = 0; at < saved.size(); at += 13) {
    std::string flipped = saved;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    std::istringstream in(flipped);
    KvCache cache(kLayers, 1000);
    ASSERT_NE(cache.load(in), "") << "byte " << at;
  }
}

TEST(KvCache, RefusesAnotherModelsAndALargerCache) {
  std::stringstream stream;
  filled(20).save(stream);
  KvCache other({{2, 8, 8}, {1, 4, 16}}, 1000);
  EXPECT_NE(other.load(stream).find("another model"), std::string::npos);
  std::stringstream again;
  filled(20).save(again);
  KvCache small(kLayers, 19);
  EXPECT_NE(small.load(again).find("holds 20 tokens"), std::string::npos);
}

}  // namespace
}  // namespace weft::kernels
