#include "decoder.h"

#include "byte_level.h"

namespace weft::tokenizer {

Decoder::Decoder(const std::optional<JsonValue>& json) {
  if (!json) return;
  const JsonValue type_value = json->at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    // ByteLevel leaves one text, which Fuse would make of it too.
    for (const auto& [key, step] : json->at("decoders").expect_array()) {
      const JsonValue step_type = step.at("type");
      if (byte_level_ && step_type.string() == "Fuse") continue;
      if (byte_level_ || step_type.string() != "ByteLevel") {
        step_type.fail("the decoder " + quoted(step_type.string()) +
                           " is not supported in this place of a sequence; these are: ByteLevel, and Fuse behind it",
                       ErrorCode::kUnsupported, "report the model");
      }
      byte_level_ = true;
    }
  } else if (type == "ByteLevel") {
    byte_level_ = true;
  } else {
    type_value.fail("the decoder " + quoted(type) + " is not supported; these are: ByteLevel, Sequence",
                    ErrorCode::kUnsupported, "report the model");
  }
}

std::string Decoder::bytes_of(std::string_view piece) const {
  if (byte_level_) {
    if (auto bytes = from_byte_level(piece)) return *std::move(bytes);
  }
  return std::string(piece);
}

}  // namespace weft::tokenizer
