// What every Tokenizer offers on top of its virtual functions.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "post_processor.h"
#include "staged_tokenizer.h"
#include "weft/error.h"
#include "weft/tokenizer.h"

namespace weft {
namespace {

// What a batch gives is often freed by another thread than the one that made it. glibc puts such small blocks into lists of
// the maker's arena, where the place of each is known only when the one before has been read from memory, and joins them
// again for a request of a KiB or more alone. Without one, an eighth of a helper's time on lines of 36 bytes was malloc's.
void join_freed_blocks() {
  volatile char* const block = new char[4096];
  *block = 0;  // or the compiler would see that nothing needs the block
  delete[] block;
}

// Calls work(begin, end) for parts of [0, n) on several threads, and throws what the first of those that fail throws.
template <typename Work>
void for_each_of(std::size_t n, unsigned threads, Work work) {
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  threads = static_cast<unsigned>(std::min<std::size_t>(threads, n));
  // Neighbouring results share cache lines, so each thread takes some in a row; not so many that one thread is busy at
  // the end.
  constexpr std::size_t kMostAtOnce = 64;
  const std::size_t at_once = std::clamp<std::size_t>(n / (std::size_t{threads} * 16 + 1), 1, kMostAtOnce);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t failed = n;
  std::exception_ptr error;
  const auto run = [&, n, at_once, work] {  // copies: others' stacks are written to all the time
    join_freed_blocks();
    for (;;) {
      const std::size_t begin = next.fetch_add(at_once);
      if (begin >= n) return;
      try {
        work(begin, std::min(n, begin + at_once));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (begin < failed) failed = begin, error = std::current_exception();
        next = n;  // what comes behind a failure needn't be done
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (unsigned i = 1; i < threads; ++i) helpers.emplace_back(run);
    run();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace

Encoding Tokenizer::encode(const EncodeInput& input, const EncodeOptions& options) const {
  const auto refuse = [](const char* what) {
    throw Error(ErrorCode::kUnsupported, std::string("this tokenizer knows no ") + what, "options",
                "ask for less, or override Tokenizer::encode(input, options)");
  };
  if (input.second) refuse("pairs");
  if ((options.fields & (kOffsets | kWords)) != 0) refuse("offsets and words");
  tokenizer::Draft draft;
  for (const Token id : encode(input.text)) draft.tokens.push_back({.id = id});
  if (options.truncation) tokenizer::truncate(draft, nullptr, *options.truncation);
  if (options.padding) {
    tokenizer::pad(draft, tokenizer::padded_length(draft.tokens.size(), *options.padding), *options.padding);
  }
  return tokenizer::to_encoding(std::move(draft), options.fields);
}

std::vector<Token> Tokenizer::encode(std::string_view text, Specials specials) const {
  const TextPart part{std::string(text), specials};
  return encode(std::span<const TextPart>(&part, 1));
}

Encoding Tokenizer::encode(std::string_view text, Specials specials, const EncodeOptions& options) const {
  const TextPart part{std::string(text), specials};
  return encode({.text = {&part, 1}}, options);
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second, Specials specials,
                                const EncodeOptions& options) const {
  const TextPart a{std::string(first), specials}, b{std::string(second), specials};
  return encode({.text = {&a, 1}, .second = std::span<const TextPart>(&b, 1)}, options);
}

std::size_t Tokenizer::count(std::string_view text, Specials specials) const {
  return encode(text, specials, {.fields = 0, .add_special_tokens = false}).size;
}

std::vector<Encoding> encode_batch(const Tokenizer& tokenizer, std::span<const EncodeInput> inputs,
                                   const EncodeOptions& options, unsigned threads) {
  std::vector<Encoding> results(inputs.size());
  for_each_of(inputs.size(), threads,
              [&tokenizer, inputs, &options, out = results.data()](std::size_t i, std::size_t end) {
                for (; i < end; ++i) out[i] = tokenizer.encode(inputs[i], options);
              });
  if (!options.padding || options.padding->length != 0) return results;
  // The longest is known only now.
  std::size_t longest = 0;
  for (const Encoding& encoding : results) longest = std::max(longest, encoding.size);
  const std::size_t length = tokenizer::padded_length(longest, *options.padding);
  for_each_of(inputs.size(), threads, [&](std::size_t i, std::size_t end) {
    for (; i < end; ++i) tokenizer::pad(results[i], length, *options.padding, options.fields);
  });
  return results;
}

std::vector<std::vector<Token>> encode_batch(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                                             Specials specials, unsigned threads) {
  std::vector<std::vector<Token>> results(texts.size());
  for_each_of(texts.size(), threads,
              [&tokenizer, texts, specials, out = results.data()](std::size_t begin, std::size_t end) {
                tokenizer::encode_each(tokenizer, texts.subspan(begin, end - begin), specials, out + begin);
              });
  return results;
}

std::vector<std::string> decode_batch(const Tokenizer& tokenizer, std::span<const std::span<const Token>> sequences,
                                      Specials specials, unsigned threads) {
  std::vector<std::string> results(sequences.size());
  for_each_of(sequences.size(), threads,
              [&tokenizer, sequences, specials, out = results.data()](std::size_t i, std::size_t end) {
                for (; i < end; ++i) out[i] = tokenizer.decode(sequences[i], specials);
              });
  return results;
}

}  // namespace weft
