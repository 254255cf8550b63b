// A Runner of one's own (alphabet.h) in the ready-made pipeline, with the ready-made tokenizer and sampler.
#include <iostream>
#include <memory>
#include <string>

#include "examples/alphabet.h"
#include "weft/pipeline.h"

int main() {
  weft::CompletionPipeline pipeline({
      .runner = std::make_shared<AlphabetRunner>(),
      .tokenizer = alphabet_tokenizer(),
      .stop_tokens = {AlphabetRunner::kEnd},
  });
  for (const std::string prompt : {"abc", "abcuv"}) {
    std::cout << prompt << " -> ";
    const auto result = pipeline.generate(prompt, {}, [](std::string_view text) { std::cout << text; });
    std::cout << " (" << result.stats.cached_tokens << " of " << result.stats.prompt_tokens << " were cached)\n";
  }
}
