// The one loop under all pipelines: prefill what the cache lacks, then sample, show, feed, until something ends it.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session.h"
#include "weft/pipeline.h"

namespace weft {

class GenerationLoop {
 public:
  using Clock = std::chrono::steady_clock;

  /// What a caller's prompt is called in errors, and what shortens it.
  struct Subject {
    std::string_view name;
    std::string_view how_to_shorten;
  };

  /// A cache read from a session, not yet in use.
  struct Saved {
    std::unique_ptr<Cache> cache;
    std::vector<Token> tokens;
  };

  /// @throws Error{kInvalidArgument}  a required part is missing.
  explicit GenerationLoop(PipelineParts parts);

  /// @param start  When the caller was called, for the statistics.
  /// Whatever is thrown, cached_tokens() are what the cache holds.
  GenerationResult run(std::vector<Token> prompt, const GenerationOptions& options, const TextCallback& on_text,
                       Clock::time_point start, const Subject& subject);

  [[nodiscard]] const PipelineParts& parts() const noexcept { return parts_; }
  [[nodiscard]] const std::vector<Token>& cached_tokens() const noexcept { return tokens_; }
  [[nodiscard]] bool is_stop_token(Token token) const;

  void reset() noexcept;
  void save(SessionWriter& writer) const;
  [[nodiscard]] Saved load(SessionReader& reader) const;
  void use(Saved saved) noexcept;

 private:
  void check_prompt(const std::vector<Token>& prompt, const Subject& subject) const;
  /// Makes sure that there is a cache, and that it holds tokens_.
  void ensure_cache();
  /// Goes back to what the cache and `prompt` have in common, less the token whose logits are wanted.
  void rewind_to(const std::vector<Token>& prompt);
  /// Feeds the prompt's rest. @return  False if cancelled before its end.
  bool prefill(const std::vector<Token>& prompt, const std::stop_token& cancel);
  /// Feeds tokens to the runner: both the cache and tokens_ have them, or, if it throws, neither.
  void feed(std::span<const Token> tokens);
  [[nodiscard]] Token sample(Sampler& sampler) const;

  PipelineParts parts_;
  std::unique_ptr<Cache> cache_;  // made with the first prompt
  std::vector<Token> tokens_;     // in cache_
  Logits logits_;                 // that follow the last of them
};

}  // namespace weft
