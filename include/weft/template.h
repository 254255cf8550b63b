// Messages (and tools) to prompt text, by the model's own Jinja chat template.
//
//   auto chat = weft::ChatTemplate::parse(source, {.bos = "<s>", .eos = "</s>"});
//   weft::Prompt prompt = chat.render({{{"user", "Hello"}}});
//
// Renders what Jinja2 renders in Transformers' `apply_chat_template` (ImmutableSandboxedEnvironment,
// trim_blocks, lstrip_blocks, loop controls, `generation` blocks). Every character of the output
// remembers whether the template wrote it or came from a message, so that text which a user wrote
// never becomes a control token. A parsed template never changes: threads may share one.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/token.h"

namespace weft {

/// Bounds on a template, which is data from outside; exceeding one is Error{kTooLarge} that names it.
struct TemplateLimits {
  std::size_t source_bytes = std::size_t{1} << 20;
  std::size_t output_bytes = std::size_t{64} << 20;
  std::size_t steps = 10'000'000;  ///< Nodes evaluated in one render.
  std::size_t depth = 128;         ///< Nesting of expressions, blocks, calls and values.
};

struct Message {
  std::string role;     ///< "system", "user", "assistant", "tool", ... as the template knows them.
  std::string content;  ///< UTF-8. Never read as control tokens.
  /// More fields, a JSON object's text: "tool_calls", "name", "reasoning_content", or "content" as a
  /// list of typed parts (then it replaces the string above). Empty: none.
  std::string fields_json = {};
};

/// What `tokenizer_config.json` calls bos_token, eos_token, ...; empty where there is none.
struct SpecialTokenTexts {
  std::string bos, eos, pad, unk;
};

struct RenderOptions {
  bool add_generation_prompt = true;  ///< End with the opening of an assistant's message.
  std::string tools_json = {};        ///< A JSON array of tool schemas as OpenAI's API has them; empty: none.
  std::string documents_json = {};    ///< A JSON array for retrieval templates; empty: none.
  std::string variables_json = {};    ///< A JSON object of further variables, e.g. {"enable_thinking": false}.
  /// What strftime_now() shows; the present, in local time, if none is given.
  std::optional<std::chrono::system_clock::time_point> now = {};
};

class ChatTemplate {
 public:
  /// @param source  Jinja text.
  /// @throws Error{kCorrupt} with line for a syntax error, Error{kUnsupported} naming an unknown
  ///         statement, filter or test and listing the known ones, Error{kTooLarge}.
  [[nodiscard]] static ChatTemplate parse(std::string_view source, SpecialTokenTexts specials = {},
                                          const TemplateLimits& limits = {});

  /// @return  Parts that join to the prompt's text; kAsTokens where the template wrote it.
  /// @throws Error{kInvalidArgument} with the template's own words where it calls raise_exception(),
  ///         or for ill-formed JSON; Error{kCorrupt} with line where an expression fails as in Jinja2.
  [[nodiscard]] Prompt render(std::span<const Message> messages, const RenderOptions& options = {}) const;
  [[nodiscard]] Prompt render(const std::vector<Message>& messages, const RenderOptions& options = {}) const {
    return render(std::span<const Message>(messages), options);
  }

  [[nodiscard]] const std::string& source() const noexcept;

 private:
  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace weft
