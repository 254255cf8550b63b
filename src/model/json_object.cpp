#include "src/model/json_object.h"

#include <utility>

#include "weft/error.h"

namespace weft::model_detail {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr std::size_t kShownBytes = 60;

// A value as errors show it. Never a nested one: dump() recurses.
std::string show(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "...";
  return text;
}

bool is_whole(const Json& value, std::uint64_t least, std::uint64_t most) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() >= least && value.get<std::uint64_t>() <= most;
}

std::string range_text(std::uint64_t least, std::uint64_t most) {
  return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace

JsonObject::JsonObject(std::string_view text, std::string where, std::string fix)
    : where_(std::move(where)), fix_(std::move(fix)) {
  const auto bound_depth = [this](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) {
      throw Error(ErrorCode::kCorrupt, "is nested deeper than " + std::to_string(kMaxDepth) + " levels", where_, fix_);
    }
    return true;
  };
  try {
    json_ = Json::parse(text, bound_depth);
  } catch (const Json::exception& error) {
    // nlohmann's words are "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    std::string reason = error.what();
    if (const auto bracket = reason.find("] "); bracket != std::string::npos) reason.erase(0, bracket + 2);
    throw Error(ErrorCode::kCorrupt, "is no JSON: " + reason, where_, fix_);
  }
  if (!json_.is_object()) {
    throw Error(ErrorCode::kCorrupt, "holds " + show(json_) + " where an object was expected", where_, fix_);
  }
}

const Json* JsonObject::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

void JsonObject::fail(const char* key, const Json& value, std::string_view expected) const {
  throw Error(ErrorCode::kCorrupt,
              std::string(key) + ": is " + show(value) + " where " + std::string(expected) + " was expected", where_, fix_);
}

std::optional<std::string> JsonObject::text(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) fail(key, *value, "a text");
  return value->get<std::string>();
}

std::optional<bool> JsonObject::boolean(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) fail(key, *value, "true or false");
  return value->get<bool>();
}

std::optional<std::uint64_t> JsonObject::integer(const char* key, std::uint64_t least, std::uint64_t most) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!is_whole(*value, least, most)) fail(key, *value, range_text(least, most));
  return value->get<std::uint64_t>();
}

std::optional<double> JsonObject::number(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number()) fail(key, *value, "a number");
  return value->get<double>();
}

std::vector<std::uint64_t> JsonObject::integers(const char* key, std::uint64_t most) const {
  const Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) return {*integer(key, 0, most)};
  std::vector<std::uint64_t> list;
  for (const Json& element : *value) {
    if (!is_whole(element, 0, most)) fail(key, element, range_text(0, most));
    list.push_back(element.get<std::uint64_t>());
  }
  return list;
}

std::optional<std::string> JsonObject::token_text(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_object()) {
    const auto content = value->find("content");
    if (content != value->end() && content->is_string()) return content->get<std::string>();
  }
  fail(key, *value, "a text, or an object with the text as its \"content\",");
}

}  // namespace weft::model_detail
