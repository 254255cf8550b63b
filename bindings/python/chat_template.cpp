#include "weft/template.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "bindings/python/bindings.h"
#include "bindings/python/messages.h"

namespace weft::python {
namespace {

using namespace nb::literals;

std::string to_json(nb::handle value) {
  return nb::cast<std::string>(nb::module_::import_("json").attr("dumps")(value, "ensure_ascii"_a = false));
}

nb::object from_json(const std::string& text) { return nb::module_::import_("json").attr("loads")(text); }

}  // namespace

Message read_message(nb::handle object) {
  if (!nb::isinstance<nb::dict>(object)) {
    refuse("is a " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))), "messages",
           "a message is a dict: {\"role\": \"user\", \"content\": \"Hello\"}");
  }
  nb::dict fields;
  fields.update(nb::borrow<nb::dict>(object));
  Message message;
  if (!fields.contains("role") || !nb::isinstance<nb::str>(fields["role"])) {
    refuse("has no role", "messages", "a message is a dict: {\"role\": \"user\", \"content\": \"Hello\"}");
  }
  message.role = nb::cast<std::string>(fields["role"]);
  nb::del(fields["role"]);
  if (fields.contains("content") && nb::isinstance<nb::str>(fields["content"])) {
    message.content = nb::cast<std::string>(fields["content"]);
    nb::del(fields["content"]);
  }
  if (fields.size() != 0) message.fields_json = to_json(fields);
  return message;
}

std::vector<Message> read_messages(nb::handle list) {
  std::vector<Message> messages;
  for (const nb::handle item : list) messages.push_back(read_message(item));
  return messages;
}

nb::dict to_dict(const Message& message) {
  nb::dict fields;
  fields["role"] = message.role;
  fields["content"] = message.content;
  if (!message.fields_json.empty()) fields.update(nb::cast<nb::dict>(from_json(message.fields_json)));
  return fields;
}

RenderOptions render_options(bool add_generation_prompt, nb::handle tools, nb::handle documents, nb::handle variables) {
  RenderOptions options{.add_generation_prompt = add_generation_prompt};
  if (!tools.is_none()) options.tools_json = to_json(tools);
  if (!documents.is_none()) options.documents_json = to_json(documents);
  if (!variables.is_none()) options.variables_json = to_json(variables);
  return options;
}

void add_chat_template(nb::module_& module) {
  nb::class_<ChatTemplate>(module, "ChatTemplate",
                           "Messages to prompt text, by a model's own Jinja template, as Transformers' apply_chat_template does.")
      .def_static("parse",
                  [](const std::string& source, const std::string& bos, const std::string& eos, const std::string& pad,
                     const std::string& unk) {
                    return ChatTemplate::parse(source, {.bos = bos, .eos = eos, .pad = pad, .unk = unk});
                  },
                  "source"_a, nb::kw_only(), "bos"_a = "", "eos"_a = "", "pad"_a = "", "unk"_a = "",
                  "Reads Jinja text; the others are the texts of the special tokens.")
      .def("render",
           [](const ChatTemplate& self, nb::handle messages, bool add_generation_prompt, nb::handle tools, nb::handle documents,
              nb::handle variables) {
             return self.render(read_messages(messages), render_options(add_generation_prompt, tools, documents, variables));
           },
           "messages"_a, nb::kw_only(), "add_generation_prompt"_a = true, "tools"_a = nb::none(), "documents"_a = nb::none(),
           "variables"_a = nb::none(),
           nb::sig("def render(self, messages: collections.abc.Iterable[dict[str, typing.Any]], *, add_generation_prompt: bool = True, "
                   "tools: list[dict[str, typing.Any]] | None = None, documents: list[dict[str, typing.Any]] | None = None, "
                   "variables: dict[str, typing.Any] | None = None) -> list[TextPart]"),
           "The prompt's parts: AS_TOKENS where the template wrote them, AS_TEXT where a message did.")
      .def_prop_ro("source", &ChatTemplate::source, "The Jinja text.");
}

}  // namespace weft::python
