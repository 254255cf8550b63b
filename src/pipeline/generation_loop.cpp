#include "generation_loop.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "stop_texts.h"
#include "weft/error.h"

namespace weft {
namespace {

/// Prompt tokens between two looks at a stop token: a quarter of a second of a slow prefill.
constexpr std::size_t kTokensBetweenLooks = 256;

double seconds_since(GenerationLoop::Clock::time_point start) {
  return std::chrono::duration<double>(GenerationLoop::Clock::now() - start).count();
}

/// Tokens to text: whole characters, without stop texts, to the result and to the caller.
class TextOutput {
 public:
  TextOutput(const Tokenizer& tokenizer, std::span<const std::string> stop, const TextCallback& on_text,
             std::string& text)
      : tokenizer_(tokenizer), decoder_(tokenizer), stop_texts_(stop), on_text_(on_text), text_(text) {}

  /// @return  False once a stop text was found.
  bool push(Token token) {
    // A model may have more logits than its tokenizer has ids, to fill up a matrix: those carry no text.
    if (static_cast<std::size_t>(token) < tokenizer_.vocab_size()) show(stop_texts_.push(decoder_.push(token)));
    return !stop_texts_.found();
  }

  void finish() {
    show(stop_texts_.push(decoder_.finish()));
    show(stop_texts_.finish());
  }

 private:
  void show(const std::string& text) {
    if (text.empty()) return;
    text_ += text;
    if (on_text_) on_text_(text);
  }

  const Tokenizer& tokenizer_;
  StreamDecoder decoder_;
  StopTexts stop_texts_;
  const TextCallback& on_text_;
  std::string& text_;
};

}  // namespace

GenerationLoop::GenerationLoop(PipelineParts parts) : parts_(std::move(parts)) {
  const auto require = [](bool there, const char* part) {
    if (!there) throw Error(ErrorCode::kInvalidArgument, "it is missing", std::string("PipelineParts::") + part);
  };
  require(parts_.runner != nullptr, "runner");
  require(parts_.tokenizer != nullptr, "tokenizer");
}

GenerationResult GenerationLoop::run(std::vector<Token> prompt, const GenerationOptions& options,
                                     const TextCallback& on_text, Clock::time_point start, const Subject& subject) {
  GenerationResult result;
  TextOutput output(*parts_.tokenizer, options.stop, on_text, result.text);
  const std::shared_ptr<Sampler> sampler = parts_.sampler ? parts_.sampler : make_sampler(options.sampling);
  ensure_cache();
  check_prompt(prompt, subject);

  sampler->reset();
  for (const Token token : prompt) sampler->accept(token);
  rewind_to(prompt);
  result.stats.prompt_tokens = prompt.size();
  result.stats.cached_tokens = tokens_.size();
  const bool prefilled = prefill(prompt, options.cancel);
  result.stats.prefill_s = seconds_since(start);

  const std::size_t room = cache_->capacity() - prompt.size();
  const std::size_t limit = options.max_tokens == 0 ? room : std::min(room, options.max_tokens);
  result.prompt_tokens = std::move(prompt);
  result.finish_reason = FinishReason::kCancelled;
  if (!prefilled) return result;

  Clock::time_point first_token;
  while (true) {
    const Token token = sample(*sampler);
    sampler->accept(token);
    result.tokens.push_back(token);
    if (result.tokens.size() == 1) {
      first_token = Clock::now();
      result.stats.first_token_s = seconds_since(start);
    }
    if ((!options.ignore_stop_tokens && is_stop_token(token)) || !output.push(token)) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    if (result.tokens.size() == limit) {
      result.finish_reason = FinishReason::kLength;
      break;
    }
    if (options.cancel.stop_requested()) break;
    feed({&token, 1});
  }
  result.stats.decode_s = seconds_since(first_token);
  result.stats.generated_tokens = result.tokens.size();
  output.finish();
  return result;
}

bool GenerationLoop::is_stop_token(Token token) const {
  return std::find(parts_.stop_tokens.begin(), parts_.stop_tokens.end(), token) != parts_.stop_tokens.end();
}

void GenerationLoop::check_prompt(const std::vector<Token>& prompt, const Subject& subject) const {
  const auto where = [&] { return std::string(subject.name); };
  if (prompt.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "it has no tokens, so that there is nothing to complete", where(),
                "give some text; this model has no token that begins one");
  }
  const std::size_t capacity = cache_->capacity();
  if (prompt.size() >= capacity) {
    throw Error(ErrorCode::kContextFull,
                "it has " + std::to_string(prompt.size()) + " tokens, but at most " +
                    std::to_string(capacity - std::min<std::size_t>(capacity, 1)) + " fit (a context of " +
                    std::to_string(capacity) + ", one of them for the answer)",
                where(),
                std::string(subject.how_to_shorten) + ", or export the model with a longer context (--max-context)");
  }
  const std::size_t vocab_size = parts_.runner->vocab_size();
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] < 0 || static_cast<std::size_t>(prompt[i]) >= vocab_size) {
      throw Error(ErrorCode::kInvalidArgument,
                  "token " + std::to_string(prompt[i]) + " at place " + std::to_string(i) +
                      " is not one of the model's " + std::to_string(vocab_size),
                  where(), "use the tokenizer that belongs to the model");
    }
  }
}

void GenerationLoop::ensure_cache() {
  // A user's Runner that throws half-way may leave a cache that nobody knows the content of.
  if (cache_ != nullptr && cache_->size() == tokens_.size()) return;
  cache_ = parts_.runner->new_cache();
  tokens_.clear();
}

void GenerationLoop::rewind_to(const std::vector<Token>& prompt) {
  const auto differ = std::mismatch(tokens_.begin(), tokens_.end(), prompt.begin(), prompt.end());
  const auto same = static_cast<std::size_t>(differ.first - tokens_.begin());
  const std::size_t kept = std::min(same, prompt.size() - 1);
  if (kept == tokens_.size()) return;
  cache_->truncate(kept);
  tokens_.resize(kept);
}

bool GenerationLoop::prefill(const std::vector<Token>& prompt, const std::stop_token& cancel) {
  const std::size_t piece = cancel.stop_possible() ? kTokensBetweenLooks : prompt.size();
  while (tokens_.size() < prompt.size()) {
    if (cancel.stop_requested()) return false;
    const auto rest = std::span(prompt).subspan(tokens_.size());
    feed(rest.first(std::min(piece, rest.size())));
  }
  return true;
}

void GenerationLoop::feed(std::span<const Token> tokens) {
  const std::size_t before = tokens_.size();
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  try {
    const Step step{*cache_, tokens};
    parts_.runner->forward({&step, 1}, logits_);
  } catch (...) {
    tokens_.resize(before);
    throw;
  }
}

Token GenerationLoop::sample(Sampler& sampler) const {
  if (logits_.rows() != 1) {
    throw Error(ErrorCode::kBackend,
                "it gave " + std::to_string(logits_.rows()) + " rows of logits where one was asked for", "runner",
                "Runner::forward() gives one row for each step with LogitRows::kLast");
  }
  const auto row = logits_.row(0);
  const Token token = sampler.sample(row);
  if (token < 0 || static_cast<std::size_t>(token) >= row.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "it gave token " + std::to_string(token) + ", but the model has " + std::to_string(row.size()),
                "sampler", "Sampler::sample() returns an index into the logits");
  }
  return token;
}

void GenerationLoop::reset() noexcept {
  cache_.reset();
  tokens_.clear();
}

void GenerationLoop::save(SessionWriter& writer) const {
  const bool has_cache = cache_ != nullptr && cache_->size() == tokens_.size();
  writer.put_tokens(has_cache ? tokens_ : std::vector<Token>());
  writer.put_number(has_cache ? 1 : 0);
  if (has_cache) cache_->save(writer.stream());
  writer.check();
}

GenerationLoop::Saved GenerationLoop::load(SessionReader& reader) const {
  Saved saved{nullptr, reader.tokens()};
  const auto has_cache = reader.number();
  if (has_cache > 1 || (has_cache == 0 && !saved.tokens.empty())) {
    SessionReader::throw_corrupt("it does not say whether a cache follows");
  }
  if (has_cache == 1) {
    try {
      saved.cache = parts_.runner->load_cache(reader.stream());
    } catch (...) {
      reader.check();  // a broken frame says more than what the runner made of it
      throw;
    }
    if (saved.cache->size() != saved.tokens.size()) {
      SessionReader::throw_corrupt("its cache holds " + std::to_string(saved.cache->size()) + " tokens, not " +
                                   std::to_string(saved.tokens.size()));
    }
  }
  reader.finish();
  return saved;
}

void GenerationLoop::use(Saved saved) noexcept {
  cache_ = std::move(saved.cache);
  tokens_ = std::move(saved.tokens);
}

}  // namespace weft
