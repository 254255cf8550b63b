// Chat templates.
#include "weft/template.h"

#include "fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::vector<weft::Message> messages = {{"system", "Be brief."}, {"user", "Hello <s>"}, {"assistant", "", R"({"tool_calls":[{"name":"f","arguments":{"x":1}}]})"}};
  weft::TemplateLimits limits;
  limits.steps = 20'000;
  limits.output_bytes = 1 << 20;
  try {
    const auto chat = weft::ChatTemplate::parse(weft::fuzz::view(data, size), {.bos = "<s>", .eos = "</s>", .pad = "", .unk = ""}, limits);
    (void)chat.render(messages, {.tools_json = R"([{"type":"function","function":{"name":"f"}}])"});
  } catch (const weft::Error& error) {
    weft::fuzz::check(error.code() != weft::ErrorCode::kInternal, "no error is a mistake of ours");
  }
  return 0;
}
