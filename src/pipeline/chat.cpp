#include <utility>

#include "generation_loop.h"
#include "session.h"
#include "transcript.h"
#include "weft/error.h"
#include "weft/pipeline.h"

namespace weft {
namespace {

constexpr GenerationLoop::Subject kConversation{"conversation",
                                                "begin it anew (reset), drop earlier messages from it (set_messages)"};

bool has_system_message(const std::vector<Message>& messages) {
  return !messages.empty() && messages.front().role == "system";
}

PipelineParts checked(PipelineParts parts) {
  if (!parts.chat_template) {
    throw Error(ErrorCode::kInvalidArgument, "it is missing: the model has no chat template",
                "PipelineParts::chat_template", "give one, or use CompletionPipeline");
  }
  return parts;
}

}  // namespace

struct ChatPipeline::Impl {
  GenerationLoop loop;
  std::vector<Message> messages = {};
  Transcript transcript = {};

  GenerationResult answer(const std::vector<Message>& conversation, const GenerationOptions& options,
                          const TextCallback& on_text, const RenderOptions& render) {
    const auto start = GenerationLoop::Clock::now();
    const Tokenizer& tokenizer = *loop.parts().tokenizer;
    const Prompt prompt = loop.parts().chat_template->render(conversation, render);
    GenerationResult result = loop.run(transcript.encode(prompt, tokenizer), options, on_text, start, kConversation);

    std::span<const Token> sampled = result.tokens;
    const bool ended_itself = !sampled.empty() && !options.ignore_stop_tokens && loop.is_stop_token(sampled.back());
    if (ended_itself) sampled = sampled.first(sampled.size() - 1);
    transcript.remember(prompt, result.prompt_tokens, result.text, sampled, tokenizer);
    return result;
  }
};

ChatPipeline::ChatPipeline(PipelineParts parts)
    : impl_(std::make_unique<Impl>(GenerationLoop(checked(std::move(parts))))) {}
ChatPipeline::~ChatPipeline() = default;
ChatPipeline::ChatPipeline(ChatPipeline&&) noexcept = default;
ChatPipeline& ChatPipeline::operator=(ChatPipeline&&) noexcept = default;

GenerationResult ChatPipeline::send(std::string_view user_text, const GenerationOptions& options,
                                    const TextCallback& on_text) {
  std::vector<Message> conversation = impl_->messages;
  conversation.push_back({"user", std::string(user_text)});
  GenerationResult result = impl_->answer(conversation, options, on_text, {});
  if (result.finish_reason == FinishReason::kCancelled && result.tokens.empty()) return result;
  conversation.push_back({"assistant", result.text});
  impl_->messages = std::move(conversation);
  return result;
}

GenerationResult ChatPipeline::answer(const std::vector<Message>& messages, const GenerationOptions& options,
                                      const TextCallback& on_text, const RenderOptions& render) {
  return impl_->answer(messages, options, on_text, render);
}

const std::vector<Message>& ChatPipeline::messages() const noexcept { return impl_->messages; }

void ChatPipeline::set_messages(std::vector<Message> messages) { impl_->messages = std::move(messages); }

void ChatPipeline::set_system(std::string_view text) {
  std::vector<Message> messages;
  if (!text.empty()) messages.push_back({"system", std::string(text)});
  impl_->messages = std::move(messages);
}

void ChatPipeline::reset() { impl_->messages.resize(has_system_message(impl_->messages) ? 1 : 0); }

void ChatPipeline::save(std::ostream& out) const {
  SessionWriter writer(out, SessionKind::kChat, impl_->loop.parts().runner->vocab_size());
  writer.put_number(impl_->messages.size());
  for (const Message& message : impl_->messages) {
    writer.put_text(message.role);
    writer.put_text(message.content);
    writer.put_text(message.fields_json);
  }
  impl_->transcript.save(writer);
  impl_->loop.save(writer);
  writer.finish();
}

void ChatPipeline::load(std::istream& in) {
  SessionReader reader(in, SessionKind::kChat, impl_->loop.parts().runner->vocab_size());
  std::vector<Message> messages;
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    Message message;
    message.role = reader.text();
    message.content = reader.text();
    message.fields_json = reader.text();
    messages.push_back(std::move(message));
  }
  Transcript transcript = Transcript::load(reader);
  GenerationLoop::Saved saved = impl_->loop.load(reader);
  impl_->messages = std::move(messages);
  impl_->transcript = std::move(transcript);
  impl_->loop.use(std::move(saved));
}

}  // namespace weft
