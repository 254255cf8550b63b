#include "weft/pipeline.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <sstream>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/bindings.h"
#include "bindings/python/messages.h"
#include "bindings/python/model.h"

namespace weft::python {
namespace {

using namespace nb::literals;

// What both pipelines share: the model's lock, and a mark against calling a pipeline from its own callback.
template <class Pipeline>
class Guarded {
 public:
  Guarded(std::shared_ptr<SharedRunner> shared, PipelineParts parts) : shared_(std::move(shared)), pipeline_(std::move(parts)) {}

  template <class Work>
  auto run(Work work) {
    const nb::gil_scoped_release released;
    const std::lock_guard lock(shared_->mutex);
    if (busy_) refuse("is at work: this call comes from its own callback", "pipeline", "use another pipeline of the same model");
    busy_ = true;
    const struct Done {
      bool& busy;
      ~Done() { busy = false; }
    } done{busy_};
    return work(pipeline_);
  }

 private:
  std::shared_ptr<SharedRunner> shared_;
  Pipeline pipeline_;
  bool busy_ = false;
};
using Completion = Guarded<CompletionPipeline>;
using Chat = Guarded<ChatPipeline>;

PipelineParts choose_parts(const LoadedModel& model, std::shared_ptr<Sampler> sampler, std::shared_ptr<const Tokenizer> tokenizer,
                           std::optional<ChatTemplate> chat_template) {
  PipelineParts parts = parts_of(*model.model);
  parts.sampler = std::move(sampler);
  if (tokenizer) parts.tokenizer = std::move(tokenizer);
  if (chat_template) parts.chat_template = std::move(chat_template);
  return parts;
}

GenerationOptions make_options(std::size_t max_tokens, const SamplingOptions& sampling, std::vector<std::string> stop,
                               bool ignore_stop_tokens, const std::stop_source* cancel) {
  GenerationOptions options{.max_tokens = max_tokens,
                            .sampling = sampling,
                            .stop = std::move(stop),
                            .ignore_stop_tokens = ignore_stop_tokens};
  if (cancel) options.cancel = cancel->get_token();
  return options;
}

// Gives text to `callable`, and Ctrl-C its due; an exception of either ends the generation.
TextCallback make_callback(nb::handle callable) {
  return [callable](std::string_view text) {
    const nb::gil_scoped_acquire held;
    if (PyErr_CheckSignals() != 0) nb::raise_python_error();
    if (!callable.is_none()) callable(nb::str(text.data(), text.size()));
  };
}

template <class Pipeline>
nb::bytes save(Guarded<Pipeline>& self) {
  const std::string bytes = self.run([](Pipeline& pipeline) {
    std::ostringstream out;
    pipeline.save(out);
    return std::move(out).str();
  });
  return nb::bytes(bytes.data(), bytes.size());
}

template <class Pipeline>
void load(Guarded<Pipeline>& self, const nb::bytes& bytes) {
  std::istringstream in(std::string(bytes.c_str(), bytes.size()));
  self.run([&](Pipeline& pipeline) { pipeline.load(in); });
}

GenerationResult generate(Completion& self, nb::handle prompt, std::size_t max_tokens, const SamplingOptions& sampling,
                          std::vector<std::string> stop, bool ignore_stop_tokens, const std::stop_source* cancel, nb::handle on_text) {
  const GenerationOptions options = make_options(max_tokens, sampling, std::move(stop), ignore_stop_tokens, cancel);
  const TextCallback callback = make_callback(on_text);
  if (nb::isinstance<nb::str>(prompt)) {
    const auto text = nb::cast<std::string>(prompt);
    return self.run([&](CompletionPipeline& pipeline) { return pipeline.generate(text, options, callback); });
  }
  if (Prompt parts; PyList_Check(prompt.ptr()) && nb::len(prompt) != 0 && nb::isinstance<TextPart>(prompt[0]) && nb::try_cast(prompt, parts)) {
    return self.run([&](CompletionPipeline& pipeline) { return pipeline.generate(parts, options, callback); });
  }
  std::vector<Token> tokens = TokenIds{nb::borrow(prompt)}.read();
  return self.run([&](CompletionPipeline& pipeline) { return pipeline.generate_tokens(std::move(tokens), options, callback); });
}

GenerationResult send(Chat& self, const std::string& text, std::size_t max_tokens, const SamplingOptions& sampling,
                      std::vector<std::string> stop, bool ignore_stop_tokens, const std::stop_source* cancel, nb::handle on_text) {
  const GenerationOptions options = make_options(max_tokens, sampling, std::move(stop), ignore_stop_tokens, cancel);
  const TextCallback callback = make_callback(on_text);
  return self.run([&](ChatPipeline& pipeline) { return pipeline.send(text, options, callback); });
}

GenerationResult answer(Chat& self, nb::handle messages, std::size_t max_tokens, const SamplingOptions& sampling,
                        std::vector<std::string> stop, bool ignore_stop_tokens, const std::stop_source* cancel, nb::handle on_text,
                        nb::handle tools, nb::handle documents, nb::handle variables) {
  const GenerationOptions options = make_options(max_tokens, sampling, std::move(stop), ignore_stop_tokens, cancel);
  const TextCallback callback = make_callback(on_text);
  const std::vector<Message> conversation = read_messages(messages);
  const RenderOptions render = render_options(/*add_generation_prompt=*/true, tools, documents, variables);
  return self.run([&](ChatPipeline& pipeline) { return pipeline.answer(conversation, options, callback, render); });
}

nb::list messages(Chat& self) {
  const std::vector<Message> conversation = self.run([](ChatPipeline& pipeline) { return pipeline.messages(); });
  nb::list list;
  for (const Message& message : conversation) list.append(to_dict(message));
  return list;
}

// As the stubs show what every generation takes after its prompt.
#define WEFT_OPTIONS_SIG                                                                                             \
  "*, max_tokens: int = 0, sampling: SamplingOptions = ..., stop: collections.abc.Sequence[str] = (), "              \
  "ignore_stop_tokens: bool = False, cancel: Cancellation | None = None, "                                           \
  "on_text: collections.abc.Callable[[str], object] | None = None"

constexpr const char* kOptionsDoc =
    "max_tokens: 0 is as many as the context still holds. sampling: greedy, unless told otherwise; model.defaults.sampling is what\n"
    "the model's makers advise. stop: the answer ends before the first of these texts. on_text: called with each new stretch of\n"
    "text; what it raises ends the generation and reaches the caller.";

}  // namespace

void add_pipeline(nb::module_& module) {
  nb::enum_<FinishReason>(module, "FinishReason", "Why an answer ended.")
      .value("STOP", FinishReason::kStop, "A stop token or a stop text.")
      .value("LENGTH", FinishReason::kLength, "max_tokens, or the context is full.")
      .value("CANCELLED", FinishReason::kCancelled, "The caller asked for it.");

  nb::class_<std::stop_source>(module, "Cancellation", "Ends a generation from another thread, or from its callback, after the token at work.")
      .def(nb::init<>())
      .def("cancel", [](std::stop_source& self) { self.request_stop(); })
      .def_prop_ro("cancelled", [](const std::stop_source& self) { return self.stop_requested(); });

  nb::class_<GenerationStats>(module, "GenerationStats", "Counts of tokens, and seconds.")
      .def_ro("prompt_tokens", &GenerationStats::prompt_tokens, "Tokens of the whole prompt.")
      .def_ro("cached_tokens", &GenerationStats::cached_tokens, "Of these, already in the cache: not computed again.")
      .def_ro("generated_tokens", &GenerationStats::generated_tokens)
      .def_ro("prefill_s", &GenerationStats::prefill_s, "From the call until the prompt's logits.")
      .def_ro("first_token_s", &GenerationStats::first_token_s, "From the call until the first token is sampled.")
      .def_ro("decode_s", &GenerationStats::decode_s, "From the first token to the last.")
      .def_prop_ro("prefill_tokens_per_s", &GenerationStats::prefill_tokens_per_s)
      .def_prop_ro("decode_tokens_per_s", &GenerationStats::decode_tokens_per_s);

  nb::class_<GenerationResult>(module, "GenerationResult", "An answer.")
      .def_ro("text", &GenerationResult::text, "Without stop text and control tokens.")
      .def_prop_ro("tokens", [](const GenerationResult& self) { return to_array(self.tokens); }, nb::rv_policy::automatic,
                   "All that were sampled, the stop token included: i32 [tokens].")
      .def_prop_ro("prompt_tokens", [](const GenerationResult& self) { return to_array(self.prompt_tokens); },
                   nb::rv_policy::automatic, "i32 [tokens].")
      .def_ro("finish_reason", &GenerationResult::finish_reason)
      .def_ro("stats", &GenerationResult::stats)
      .def("__str__", [](const GenerationResult& self) { return self.text; });

  nb::class_<Completion>(module, "CompletionPipeline",
                         "Text in, text that follows it out. Keeps its cache: the longest common beginning of two prompts is read once.")
      .def("__init__",
           [](Completion* self, const LoadedModel& model, std::shared_ptr<Sampler> sampler, std::shared_ptr<const Tokenizer> tokenizer) {
             new (self) Completion(model.shared, choose_parts(model, std::move(sampler), std::move(tokenizer), std::nullopt));
           },
           "model"_a, nb::kw_only(), "sampler"_a = nb::none(), "tokenizer"_a = nb::none(),
           nb::sig("def __init__(self, model: Model, *, sampler: Sampler | None = None, tokenizer: Tokenizer | None = None) -> None"))
      .def("generate", generate, "prompt"_a, nb::kw_only(), "max_tokens"_a = 0, "sampling"_a = SamplingOptions(),
           "stop"_a = nb::make_tuple(), "ignore_stop_tokens"_a = false, "cancel"_a = nb::none(), "on_text"_a = nb::none(),
           nb::sig("def generate(self, prompt: str | list[TextPart] | collections.abc.Sequence[int] | "
                   "numpy.typing.NDArray[numpy.integer], " WEFT_OPTIONS_SIG ") -> GenerationResult"),
           kOptionsDoc)
      .def_prop_ro("cached_tokens", [](Completion& self) {
             return to_array(self.run([](CompletionPipeline& pipeline) { return pipeline.cached_tokens(); }));
           }, nb::rv_policy::automatic, "What the cache holds now: i32 [tokens].")
      .def("reset", [](Completion& self) { self.run([](CompletionPipeline& pipeline) { pipeline.reset(); }); }, "Empties the cache.")
      .def("save", save<CompletionPipeline>, "The cache with its tokens, as bytes (docs/session-file.md).")
      .def("load", load<CompletionPipeline>, "bytes"_a, "What save() gave. A failed load leaves the cache as it was.");

  nb::class_<Chat>(module, "ChatPipeline",
                   "A conversation. Each turn is rendered through the model's template; only what the cache lacks is computed.")
      .def("__init__",
           [](Chat* self, const LoadedModel& model, std::shared_ptr<Sampler> sampler, std::shared_ptr<const Tokenizer> tokenizer,
              std::optional<ChatTemplate> chat_template) {
             new (self) Chat(model.shared, choose_parts(model, std::move(sampler), std::move(tokenizer), std::move(chat_template)));
           },
           "model"_a, nb::kw_only(), "sampler"_a = nb::none(), "tokenizer"_a = nb::none(), "chat_template"_a = nb::none(),
           nb::sig("def __init__(self, model: Model, *, sampler: Sampler | None = None, tokenizer: Tokenizer | None = None, "
                   "chat_template: ChatTemplate | None = None) -> None"))
      .def("send", send, "text"_a, nb::kw_only(), "max_tokens"_a = 0, "sampling"_a = SamplingOptions(), "stop"_a = nb::make_tuple(),
           "ignore_stop_tokens"_a = false, "cancel"_a = nb::none(), "on_text"_a = nb::none(),
           nb::sig("def send(self, text: str, " WEFT_OPTIONS_SIG ") -> GenerationResult"), kOptionsDoc)
      .def("answer", answer, "messages"_a, nb::kw_only(), "max_tokens"_a = 0, "sampling"_a = SamplingOptions(),
           "stop"_a = nb::make_tuple(), "ignore_stop_tokens"_a = false, "cancel"_a = nb::none(), "on_text"_a = nb::none(),
           "tools"_a = nb::none(), "documents"_a = nb::none(), "variables"_a = nb::none(),
           nb::sig("def answer(self, messages: collections.abc.Iterable[dict[str, typing.Any]], " WEFT_OPTIONS_SIG
                   ", tools: list[dict[str, typing.Any]] | None = None, documents: list[dict[str, typing.Any]] | None = None, "
                   "variables: dict[str, typing.Any] | None = None) -> GenerationResult"),
           "Answers a whole conversation at once, leaving this pipeline's own as it is.")
      .def_prop_rw("messages", messages, [](Chat& self, nb::handle list) {
             std::vector<Message> conversation = read_messages(list);
             self.run([&](ChatPipeline& pipeline) { pipeline.set_messages(std::move(conversation)); });
           },
           nb::for_getter(nb::sig("def messages(self) -> list[dict[str, typing.Any]]")),
           nb::for_setter(nb::sig("def messages(self, messages: collections.abc.Iterable[dict[str, typing.Any]], /) -> None")),
           "The conversation. The cache is reused as far as it matches.")
      .def("set_system", [](Chat& self, const std::string& text) {
             self.run([&](ChatPipeline& pipeline) { pipeline.set_system(text); });
           }, "text"_a, "Replaces the system message (\"\" removes it) and starts the conversation anew.")
      .def("reset", [](Chat& self) { self.run([](ChatPipeline& pipeline) { pipeline.reset(); }); },
           "Forgets all messages but the system message.")
      .def("save", save<ChatPipeline>, "Messages and cache, as bytes (docs/session-file.md).")
      .def("load", load<ChatPipeline>, "bytes"_a, "What save() gave. A failed load leaves the conversation as it was.");
}

}  // namespace weft::python
