#include <iostream>

#include "weft/model.h"
#include "weft/pipeline.h"

int main(int argc, char** argv) {
  const auto model = weft::load_model(argc > 1 ? argv[1] : "model.pte");
  weft::ChatPipeline chat(*model);
  chat.send("What is the capital of France?", {}, [](std::string_view text) { std::cout << text << std::flush; });
}
