// A JSON object whose members are read with their type and range checked, and named in errors.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::model_detail {

class JsonObject {
 public:
  /// @param where  The file or asset, for errors: "model.pte: weft.json".
  /// @param fix    What to do about a wrong one.
  /// @throws Error{kCorrupt}  `text` is no JSON object, or nested deeper than 64.
  JsonObject(std::string_view text, std::string where, std::string fix);

  // Each gives nothing where the key is missing or null, and throws Error{kCorrupt} naming file and key where the
  // value has another type or lies outside of [least, most].
  [[nodiscard]] std::optional<std::string> text(const char* key) const;
  [[nodiscard]] std::optional<bool> boolean(const char* key) const;
  [[nodiscard]] std::optional<std::uint64_t> integer(const char* key, std::uint64_t least, std::uint64_t most) const;
  [[nodiscard]] std::optional<double> number(const char* key) const;
  /// One integer or a list of them; empty where the key is missing.
  [[nodiscard]] std::vector<std::uint64_t> integers(const char* key, std::uint64_t most) const;
  /// A text, or an object with the text as its "content", as Transformers writes its AddedToken.
  [[nodiscard]] std::optional<std::string> token_text(const char* key) const;

  /// nullptr where missing or null.
  [[nodiscard]] const nlohmann::json* find(const char* key) const;
  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  /// @param expected  "a text", "a number from 0 to 1".
  [[noreturn]] void fail(const char* key, const nlohmann::json& value, std::string_view expected) const;

 private:
  nlohmann::json json_;
  std::string where_, fix_;
};

}  // namespace weft::model_detail
