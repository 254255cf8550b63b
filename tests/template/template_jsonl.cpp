// Renders templates for tests that compare with Jinja2: one JSON object a line in, one a line out.
//
//   {"template": "...", "messages": [...], "tools": [...], "variables": {...}, "add_generation_prompt": true, "now": 0}
//   -> {"parts": [["text", "template" or "data"], ...]}  or  {"error": "kind", "message": "...", "where": "..."}
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weft/error.h"
#include "weft/template.h"

namespace {

using nlohmann::ordered_json;

std::string text_of(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? std::string() : found->get<std::string>();
}

std::string json_of(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? std::string() : found->dump();
}

std::vector<weft::Message> messages_of(const ordered_json& request) {
  std::vector<weft::Message> messages;
  if (!request.contains("messages")) return messages;
  for (ordered_json fields : request["messages"]) {
    weft::Message message;
    message.role = fields.at("role").get<std::string>();
    if (fields.at("content").is_string()) message.content = fields["content"].get<std::string>();
    fields.erase("role");
    if (fields["content"].is_string()) fields.erase("content");
    if (!fields.empty()) message.fields_json = fields.dump();
    messages.push_back(std::move(message));
  }
  return messages;
}

ordered_json render(const ordered_json& request) {
  try {
    weft::TemplateLimits limits;
    if (request.contains("steps")) limits.steps = request["steps"].get<std::size_t>();
    const auto chat = weft::ChatTemplate::parse(
        request.at("template").get<std::string>(),
        {text_of(request, "bos_token"), text_of(request, "eos_token"), text_of(request, "pad_token"), text_of(request, "unk_token")},
        limits);
    weft::RenderOptions options;
    options.add_generation_prompt = request.value("add_generation_prompt", false);
    options.tools_json = json_of(request, "tools");
    options.documents_json = json_of(request, "documents");
    options.variables_json = json_of(request, "variables");
    if (request.contains("now")) {
      options.now = std::chrono::system_clock::time_point(std::chrono::seconds(request["now"].get<long long>()));
    }
    ordered_json parts = ordered_json::array();
    for (const weft::TextPart& part : chat.render(messages_of(request), options)) {
      parts.push_back({part.text, part.specials == weft::Specials::kAsTokens ? "template" : "data"});
    }
    return {{"parts", parts}};
  } catch (const weft::Error& error) {
    return {{"error", to_string(error.code())}, {"message", error.message()}, {"where", error.where()}};
  }
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << render(ordered_json::parse(line)).dump() << '\n';
  }
}
