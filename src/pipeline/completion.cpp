#include <utility>

#include "generation_loop.h"
#include "session.h"
#include "weft/pipeline.h"

namespace weft {
namespace {

using Clock = GenerationLoop::Clock;

constexpr GenerationLoop::Subject kPrompt{"prompt", "shorten the prompt"};

}  // namespace

struct CompletionPipeline::Impl {
  GenerationLoop loop;
};

CompletionPipeline::CompletionPipeline(PipelineParts parts)
    : impl_(std::make_unique<Impl>(GenerationLoop(std::move(parts)))) {}
CompletionPipeline::~CompletionPipeline() = default;
CompletionPipeline::CompletionPipeline(CompletionPipeline&&) noexcept = default;
CompletionPipeline& CompletionPipeline::operator=(CompletionPipeline&&) noexcept = default;

GenerationResult CompletionPipeline::generate(std::string_view text, const GenerationOptions& options,
                                              const TextCallback& on_text) {
  const auto start = Clock::now();
  const PipelineParts& parts = impl_->loop.parts();
  std::vector<Token> prompt = parts.tokenizer->encode(text, Specials::kAsText);
  if (parts.bos_token) prompt.insert(prompt.begin(), *parts.bos_token);
  return impl_->loop.run(std::move(prompt), options, on_text, start, kPrompt);
}

GenerationResult CompletionPipeline::generate(const Prompt& prompt, const GenerationOptions& options,
                                              const TextCallback& on_text) {
  const auto start = Clock::now();
  return impl_->loop.run(impl_->loop.parts().tokenizer->encode(prompt), options, on_text, start, kPrompt);
}

GenerationResult CompletionPipeline::generate_tokens(std::vector<Token> prompt, const GenerationOptions& options,
                                                     const TextCallback& on_text) {
  return impl_->loop.run(std::move(prompt), options, on_text, Clock::now(), kPrompt);
}

const std::vector<Token>& CompletionPipeline::cached_tokens() const noexcept { return impl_->loop.cached_tokens(); }

void CompletionPipeline::reset() { impl_->loop.reset(); }

void CompletionPipeline::save(std::ostream& out) const {
  SessionWriter writer(out, SessionKind::kCompletion, impl_->loop.parts().runner->vocab_size());
  impl_->loop.save(writer);
  writer.finish();
}

void CompletionPipeline::load(std::istream& in) {
  SessionReader reader(in, SessionKind::kCompletion, impl_->loop.parts().runner->vocab_size());
  impl_->loop.use(impl_->loop.load(reader));
}

}  // namespace weft
