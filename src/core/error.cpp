#include "weft/error.h"

#include <utility>

namespace weft {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kTooLarge: return "too_large";
    case ErrorCode::kContextFull: return "context_full";
    case ErrorCode::kBackend: return "backend";
    case ErrorCode::kInternal: return "internal";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string message, std::string where, std::string fix)
    : code_(code), message_(std::move(message)), where_(std::move(where)), fix_(std::move(fix)) {
  if (!where_.empty()) text_ = where_ + ": ";
  text_ += message_;
  if (!fix_.empty()) text_ += "\nfix: " + fix_;
}

}  // namespace weft
