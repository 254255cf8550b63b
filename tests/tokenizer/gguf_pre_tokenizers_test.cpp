#include "src/tokenizer/gguf_pre_tokenizers.h"

#include <gtest/gtest.h>

#include <ranges>

#include "src/tokenizer/regex.h"
#include "src/tokenizer/split_patterns.h"

namespace {

using namespace weft::tokenizer;

// gguf.cpp builds them without a way out for a pattern that the engine refuses: there must be none.
TEST(GgufPreTokenizers, HaveOnlyPatternsThatTheEngineTakes) {
  std::size_t count = 0;
  for (const auto part : std::views::split(gguf_pre_tokenizer_names(), std::string_view(", "))) {
    const std::string name(part.begin(), part.end());
    const GgufPreTokenizer* const pre = find_gguf_pre_tokenizer(name);
    ASSERT_NE(pre, nullptr) << name;
    EXPECT_FALSE(pre->splits.empty()) << name;
    for (const auto& split : pre->splits) {
      const auto* const pattern = std::get_if<std::string_view>(&split);
      if (pattern == nullptr || find_known_pattern(*pattern)) continue;
      EXPECT_NO_THROW((void)Regex(*pattern)) << name << ": " << *pattern;
    }
    ++count;
  }
  EXPECT_GT(count, 30u);
}

}  // namespace
