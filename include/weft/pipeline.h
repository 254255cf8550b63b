// The loop: prompt, prefill, decode, sample, stop; for completion and for multi-turn chat.
//
//   weft::ChatPipeline chat(*weft::load_model("model.pte"));
//   chat.send("What is the capital of France?", {}, [](std::string_view text) { std::cout << text; });
//
// or from single parts: ChatPipeline chat({.runner = runner, .tokenizer = ..., .chat_template = ...}). Runner,
// Tokenizer and Sampler may each be the user's own class. Not thread-safe, but any number of pipelines may share one
// Runner if their calls don't overlap.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "weft/runner.h"
#include "weft/sampler.h"
#include "weft/template.h"
#include "weft/tokenizer.h"

namespace weft {

/// What a pipeline is made of. Shared, so that several pipelines may use one model.
struct PipelineParts {
  std::shared_ptr<Runner> runner;                  ///< Required.
  std::shared_ptr<const Tokenizer> tokenizer;      ///< Required.
  std::shared_ptr<Sampler> sampler = {};           ///< The user's own, reset by each call; else made from its options.
  std::optional<ChatTemplate> chat_template = {};  ///< Required by ChatPipeline.
  std::vector<Token> stop_tokens = {};             ///< Any of these ends an answer (EOS and its like).
  std::optional<Token> bos_token = {};             ///< Put before a plain completion's text, where set.
};

/// weft::Model, or anything shaped like it: the pipelines don't depend on how a model is loaded.
template <class M>
concept ModelLike = requires(const M& model) {
  model.runner;
  model.tokenizer;
  model.chat_template;
  model.defaults.stop_tokens;
  model.defaults.bos_token;
  model.defaults.add_bos;
};

/// The parts of a loaded model, to exchange some of them. How its makers advise to sample is in
/// model.defaults.sampling, for GenerationOptions.
template <ModelLike M>
[[nodiscard]] PipelineParts parts_of(const M& model) {
  return {.runner = model.runner,
          .tokenizer = model.tokenizer,
          .chat_template = model.chat_template,
          .stop_tokens = model.defaults.stop_tokens,
          .bos_token = model.defaults.add_bos ? model.defaults.bos_token : std::nullopt};
}

struct GenerationOptions {
  std::size_t max_tokens = 0;                    ///< 0: as many as the context still holds.
  SamplingOptions sampling = SamplingOptions();  ///< Not used where PipelineParts::sampler is set.
  std::vector<std::string> stop =
      {};                           ///< The answer ends before the first of these texts; none is ever streamed in part.
  bool ignore_stop_tokens = false;  ///< Go on past EOS (benchmarks).
  std::stop_token cancel = {};      ///< Looked at after each token, and between the chunks of a prefill.
};

enum class FinishReason {
  kStop,       ///< A stop token or a stop text.
  kLength,     ///< max_tokens, or the context is full.
  kCancelled,  ///< The caller asked for it.
};
[[nodiscard]] std::string_view to_string(FinishReason reason) noexcept;  // "stop", "length", "cancelled"

struct GenerationStats {
  std::size_t prompt_tokens = 0;  ///< Tokens of the whole prompt.
  std::size_t cached_tokens = 0;  ///< Of these, already in the cache: not computed again.
  std::size_t generated_tokens = 0;
  double prefill_s = 0;      ///< From the call until the prompt's logits.
  double first_token_s = 0;  ///< From the call until the first token is sampled.
  double decode_s = 0;       ///< From the first token to the last.
  /// Computed prompt tokens a second; 0 if nothing was computed.
  [[nodiscard]] double prefill_tokens_per_s() const noexcept;
  /// Tokens after the first, a second; 0 for fewer than two.
  [[nodiscard]] double decode_tokens_per_s() const noexcept;
};

struct GenerationResult {
  std::string text;           ///< Without stop text and control tokens.
  std::vector<Token> tokens;  ///< All that were sampled, the stop token included.
  std::vector<Token> prompt_tokens;
  FinishReason finish_reason = FinishReason::kStop;
  GenerationStats stats;
};

/// Called with each new stretch of text, always well-formed UTF-8; never with an empty one.
/// What it throws ends the generation and reaches the caller; the pipeline stays usable.
using TextCallback = std::function<void(std::string_view text)>;

/// Text in, text that follows it out. Keeps its cache: the longest common beginning of two prompts is read once.
class CompletionPipeline {
 public:
  /// @throws Error{kInvalidArgument}  a required part is missing.
  explicit CompletionPipeline(PipelineParts parts);
  template <ModelLike M>
  explicit CompletionPipeline(const M& model) : CompletionPipeline(parts_of(model)) {}
  ~CompletionPipeline();
  CompletionPipeline(CompletionPipeline&&) noexcept;
  CompletionPipeline& operator=(CompletionPipeline&&) noexcept;

  /// Completes plain text (encoded with Specials::kAsText, after BOS where the model wants one).
  /// @throws Error{kContextFull}  the prompt leaves no room for a token; Error{kInvalidArgument} it is empty
  ///         and the model has no BOS; and what Runner, Tokenizer and Sampler throw.
  GenerationResult generate(std::string_view text, const GenerationOptions& options = {},
                            const TextCallback& on_text = {});
  /// Completes a prompt with control tokens in it.
  GenerationResult generate(const Prompt& prompt, const GenerationOptions& options = {},
                            const TextCallback& on_text = {});
  /// Completes token ids as they are.
  GenerationResult generate_tokens(std::vector<Token> prompt, const GenerationOptions& options = {},
                                   const TextCallback& on_text = {});

  /// What the cache holds now.
  [[nodiscard]] const std::vector<Token>& cached_tokens() const noexcept;
  /// Empties the cache.
  void reset();
  /// Writes and reads the cache with its tokens (docs/session-file.md).
  /// @throws Error{kIo, kCorrupt, kUnsupported, kInvalidArgument}; a failed load leaves the cache as it was.
  void save(std::ostream& out) const;
  void load(std::istream& in);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A conversation. Each turn is rendered through the model's template; only what the cache lacks is computed.
///
/// A sampled answer isn't always the tokens that its text encodes to. Where the rendered conversation still begins
/// with a text that was prompt and answer before, and a control token follows, the tokens of then are kept, so that
/// the cache goes on serving; everywhere else the rendered text is encoded anew.
class ChatPipeline {
 public:
  /// @throws Error{kInvalidArgument}  a required part is missing.
  explicit ChatPipeline(PipelineParts parts);
  template <ModelLike M>
  explicit ChatPipeline(const M& model) : ChatPipeline(parts_of(model)) {}
  ~ChatPipeline();
  ChatPipeline(ChatPipeline&&) noexcept;
  ChatPipeline& operator=(ChatPipeline&&) noexcept;

  /// Adds the user's message and the model's answer to the conversation. If it throws, neither was added, nor
  /// if it is cancelled before the first token; an answer cancelled later is kept as far as it came.
  /// @throws Error{kContextFull}  the conversation no longer fits; see reset() and messages().
  GenerationResult send(std::string_view user_text, const GenerationOptions& options = {},
                        const TextCallback& on_text = {});

  /// Answers a whole conversation at once, leaving this pipeline's own as it is: for servers and tools. Both use
  /// the one cache, each as far as it matches.
  GenerationResult answer(const std::vector<Message>& messages, const GenerationOptions& options = {},
                          const TextCallback& on_text = {}, const RenderOptions& render = {});

  [[nodiscard]] const std::vector<Message>& messages() const noexcept;
  /// Replaces the conversation; the cache is reused as far as it matches.
  void set_messages(std::vector<Message> messages);
  /// Replaces the system message ("" removes it) and starts the conversation anew.
  void set_system(std::string_view text);
  /// Forgets all messages but the system message.
  void reset();
  /// Writes and reads messages and cache (docs/session-file.md).
  /// @throws Error{kIo, kCorrupt, kUnsupported, kInvalidArgument}; a failed load leaves the conversation as it was.
  void save(std::ostream& out) const;
  void load(std::istream& in);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
