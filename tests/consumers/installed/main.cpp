// Includes every public header of an installed weft, renders a prompt, and names the backends it was built with.
#include <cstdio>

#include "weft/backend.h"
#include "weft/error.h"
#include "weft/kernels/attention.h"
#include "weft/model.h"
#include "weft/pipeline.h"
#include "weft/processor.h"
#include "weft/program.h"
#include "weft/runner.h"
#include "weft/sampler.h"
#include "weft/template.h"
#include "weft/tokenizer.h"
#ifdef HAS_EXECUTORCH
#include "weft/executorch.h"
#endif
#ifdef HAS_AOTI
#include "weft/aoti.h"
#endif

int main() {
  const auto chat = weft::ChatTemplate::parse("{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}");
  for (const weft::TextPart& part : chat.render({{"user", "Hello"}})) std::fwrite(part.text.data(), 1, part.text.size(), stdout);
  std::puts("");
#ifdef HAS_EXECUTORCH
  std::puts(weft::executorch_backend().name().data());
#endif
#ifdef HAS_AOTI
  std::puts(weft::aoti_backend().name().data());
#endif
}
