#include "weft/template.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "interpreter.h"
#include "json.h"
#include "parser.h"
#include "unicode.h"

namespace weft {
namespace {

using jinja::Author;
using jinja::Dict;
using jinja::Kind;
using jinja::Meter;
using jinja::Value;

// Templates make control tokens of roles: '<|' + message.role + '|>'. A role is the application's choice, and one of
// these words is as good as if the template had written it. Any other role is data, like the content.
constexpr std::array<std::string_view, 12> kRoles = {"assistant", "bot",     "developer", "environment",
                                                     "function",  "human",   "ipython",   "model",
                                                     "observation", "system", "tool",      "user"};

// Transformers fills in the first of these from whichever is there, and `thinking` where it is absent.
constexpr std::array<std::string_view, 3> kReasoningFields = {"reasoning_content", "thinking", "reasoning"};

Value literal(std::string_view text) { return Value::string(std::string(text), Author::kTemplate); }

Value data(const std::string& text, const std::string& where) {
  if (!unicode::is_well_formed(text)) {
    throw Error(ErrorCode::kInvalidArgument, "not well-formed UTF-8", where, "pass UTF-8, with U+FFFD for what can't be read");
  }
  return Value::string(text, Author::kData);
}

// A JSON text that must be of one kind.
Value parse_as(Kind kind, const std::string& json, const std::string& where, Meter& meter) {
  Value value = jinja::parse_json(json, where, meter);
  if (value.is(kind)) return value;
  throw Error(ErrorCode::kInvalidArgument,
              "is a JSON " + std::string(jinja::type_name(value)) + ", not " + (kind == Kind::kDict ? "an object" : "an array"),
              where, kind == Kind::kDict ? "pass {\"name\": value, ...}" : "pass [item, ...]");
}

void trust_known_role(Dict& message) {
  const Value* role = message.find("role");
  if (role == nullptr || !role->is(Kind::kString)) return;
  const std::string& word = role->text().bytes();
  if (std::find(kRoles.begin(), kRoles.end(), word) != kRoles.end()) message.set(literal("role"), literal(word));
}

Dict with_reasoning_aliases(Dict message) {
  Value reasoning;
  for (const std::string_view field : kReasoningFields) {
    const Value* found = message.find(field);
    if (found == nullptr || found->is(Kind::kNone)) continue;
    reasoning = *found;
    break;
  }
  if (reasoning.missing()) return message;
  Dict aliased;
  aliased.set(literal("thinking"), reasoning);
  for (const auto& [key, value] : message.entries()) aliased.set(key, value);
  aliased.set(literal("reasoning_content"), reasoning);
  return aliased;
}

Value message_value(const Message& message, std::size_t index, Meter& meter) {
  const std::string where = "messages[" + std::to_string(index) + "].";
  Dict dict;
  dict.set(literal("role"), data(message.role, where + "role"));
  dict.set(literal("content"), data(message.content, where + "content"));
  if (!message.fields_json.empty()) {
    const Value fields = parse_as(Kind::kDict, message.fields_json, where + "fields_json", meter);
    for (const auto& [key, value] : jinja::dict_of(fields).entries()) dict.set(key, value);
  }
  trust_known_role(dict);
  return jinja::make_dict(with_reasoning_aliases(std::move(dict)), Author::kData, meter);
}

Value json_list(const std::string& json, const std::string& where, Meter& meter) {
  return json.empty() ? Value::none() : parse_as(Kind::kList, json, where, meter);
}

Prompt to_prompt(const jinja::Text& text) {
  Prompt prompt;
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t end = text.stretch_end(pos);
    const bool data = text.author_at(pos) == Author::kData;
    prompt.push_back({text.bytes().substr(pos, end - pos), data ? Specials::kAsText : Specials::kAsTokens});
    pos = end;
  }
  return prompt;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string source;
  SpecialTokenTexts specials;
  TemplateLimits limits;
  jinja::Tree tree;
};

ChatTemplate ChatTemplate::parse(std::string_view source, SpecialTokenTexts specials, const TemplateLimits& limits) {
  if (source.size() > limits.source_bytes) {
    throw Error(ErrorCode::kTooLarge,
                "has " + std::to_string(source.size()) + " bytes, more than " + std::to_string(limits.source_bytes) +
                    " (TemplateLimits::source_bytes)",
                "chat template", "raise the limit if you trust the template");
  }
  if (!unicode::is_well_formed(source)) {
    throw Error(ErrorCode::kCorrupt, "not well-formed UTF-8", "chat template", "fetch the template again");
  }
  for (const std::string* token : {&specials.bos, &specials.eos, &specials.pad, &specials.unk}) {
    (void)data(*token, "SpecialTokenTexts");
  }
  auto impl = std::make_shared<Impl>();
  impl->source = source;
  impl->specials = std::move(specials);
  impl->limits = limits;
  Meter meter(limits);
  impl->tree = jinja::parse(source, meter);
  jinja::resolve(impl->tree, meter);
  return ChatTemplate(std::move(impl));
}

Prompt ChatTemplate::render(std::span<const Message> messages, const RenderOptions& options) const {
  Meter meter(impl_->limits);
  Dict context;

  const std::pair<std::string_view, const std::string*> specials[] = {{"bos_token", &impl_->specials.bos},
                                                                      {"eos_token", &impl_->specials.eos},
                                                                      {"pad_token", &impl_->specials.pad},
                                                                      {"unk_token", &impl_->specials.unk}};
  for (const auto& [name, text] : specials) {
    if (!text->empty()) context.set(literal(name), literal(*text));
  }
  if (!options.variables_json.empty()) {
    const std::string where = "RenderOptions::variables_json";
    const Value variables = parse_as(Kind::kDict, options.variables_json, where, meter);
    for (const auto& [name, value] : jinja::dict_of(variables).entries()) context.set(name, value);
    for (const std::string_view own : {"messages", "tools", "documents", "add_generation_prompt"}) {
      if (context.find(own) == nullptr) continue;
      throw Error(ErrorCode::kInvalidArgument, "'" + std::string(own) + "' is given by render() itself", where,
                  "pass it as the argument or the option of that name");
    }
  }
  std::vector<Value> list;
  for (std::size_t i = 0; i < messages.size(); ++i) list.push_back(message_value(messages[i], i, meter));
  context.set(literal("messages"), Value::list(std::move(list), Author::kData, meter));
  context.set(literal("tools"), json_list(options.tools_json, "RenderOptions::tools_json", meter));
  context.set(literal("documents"), json_list(options.documents_json, "RenderOptions::documents_json", meter));
  context.set(literal("add_generation_prompt"), Value::boolean(options.add_generation_prompt));

  jinja::Interpreter interpreter(impl_->tree, meter, std::move(context), options.now);
  return to_prompt(interpreter.run());
}

const std::string& ChatTemplate::source() const noexcept { return impl_->source; }

}  // namespace weft
