#include <algorithm>
#include <nlohmann/json.hpp>

#include "weft/error.h"
#include "weft/program.h"

namespace weft {
namespace {

using Json = nlohmann::json;

// Far above any model's, far below what would overflow.
constexpr std::uint64_t kMaxContext = 1u << 24;
constexpr std::uint64_t kMaxVocabulary = 1u << 24;
constexpr std::uint64_t kMaxLayers = 4096;
constexpr std::uint64_t kMaxHeads = 4096;
constexpr std::uint64_t kMaxHeadSize = 16384;

[[noreturn]] void fail(const std::string& where, const std::string& problem) {
  throw Error(ErrorCode::kCorrupt, problem, where + ": weft.json", "export the model again");
}

std::uint64_t number(const Json& value, const std::string& key, std::uint64_t most, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 || value.get<std::uint64_t>() > most) {
    fail(where, key + " is " + value.dump().substr(0, 40) + ", not a number from 1 to " + std::to_string(most));
  }
  return value.get<std::uint64_t>();
}

const Json& member(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) fail(where, std::string(key) + " is missing");
  return *found;
}

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t state = 0xcbf29ce484222325;
  for (const char c : bytes) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return state;
}

}  // namespace

ProgramInfo parse_program_info(std::string_view text, const std::string& where) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail(where, "is no JSON object");
  const std::uint64_t format = number(member(json, "format", where), "format", 1u << 20, where);
  if (format != 1) {
    throw Error(ErrorCode::kUnsupported, "format " + std::to_string(format) + " is newer than this build, which reads 1",
                where + ": weft.json", "update weft, or export the model with this version");
  }
  ProgramInfo info;
  info.vocab_size = number(member(json, "vocab_size", where), "vocab_size", kMaxVocabulary, where);
  info.max_context = number(member(json, "max_context", where), "max_context", kMaxContext, where);
  info.max_tokens = number(member(json, "max_tokens", where), "max_tokens", kMaxContext, where);
  info.fingerprint = fnv1a(text);

  const Json& contract = member(json, "contract", where);
  if (contract == "in_graph") {
    info.contract = Contract::kInGraph;
    if (const auto recurrent = json.find("recurrent"); recurrent != json.end()) {
      if (!recurrent->is_boolean()) fail(where, "recurrent is neither true nor false");
      info.recurrent = recurrent->get<bool>();
    }
    return info;
  }
  if (contract != "ragged") {
    throw Error(ErrorCode::kUnsupported, "contract " + contract.dump().substr(0, 40) + " is neither ragged nor in_graph",
                where + ": weft.json", "update weft, or export the model with this version");
  }
  info.max_rows = number(member(json, "max_rows", where), "max_rows", kMaxContext, where);
  const Json& layers = member(json, "layers", where);
  if (!layers.is_array() || layers.empty() || layers.size() > kMaxLayers) {
    fail(where, "layers is no list of 1 to " + std::to_string(kMaxLayers) + " layers");
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string key = "layers[" + std::to_string(i) + "]";
    if (!layers[i].is_array() || layers[i].size() != 3) fail(where, key + " is not [kv heads, key size, value size]");
    info.layers.push_back({static_cast<std::uint32_t>(number(layers[i][0], key + "[0]", kMaxHeads, where)),
                           static_cast<std::uint32_t>(number(layers[i][1], key + "[1]", kMaxHeadSize, where)),
                           static_cast<std::uint32_t>(number(layers[i][2], key + "[2]", kMaxHeadSize, where))});
  }
  if (const auto type = json.find("cache_type"); type != json.end()) {
    const auto known = type->is_string() ? parse_cache_type(type->get_ref<const std::string&>()) : std::nullopt;
    if (!known) fail(where, "cache_type is " + type->dump().substr(0, 40) + ", not " + std::string(kCacheTypeNames));
    info.cache_type = *known;
  }
  return info;
}

}  // namespace weft
