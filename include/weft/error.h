// The one exception that crosses weft's public boundary.
//
//   throw weft::Error(weft::ErrorCode::kCorrupt, "ends after 120 of 4096 bytes", "model.pte",
//                     "the file is cut short; fetch or export it again");
//
// Says what went wrong, where, and how to mend it; what() joins the three.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace weft {

enum class ErrorCode {
  kInvalidArgument,  ///< The caller passed something outside of the documented range.
  kNotFound,         ///< A file, an asset of a model file, or a name isn't there.
  kIo,               ///< Reading or writing failed: permissions, full disk, broken pipe.
  kCorrupt,          ///< Bytes from outside break the format they claim to be.
  kUnsupported,      ///< Valid, but not something that this build can do.
  kTooLarge,         ///< Beyond a documented bound (Limits) or what memory allows.
  kContextFull,      ///< A sequence would outgrow its cache.
  kBackend,          ///< ExecuTorch or libtorch reported a failure.
  kInternal,         ///< A mistake of ours.
};

/// "corrupt", "not_found", ...: stable, for logs and for the bindings.
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;

class Error : public std::exception {
 public:
  /// @param message  What went wrong, in one line, without a full stop at its end.
  /// @param where    The file, place in it, or argument concerned; may be empty.
  /// @param fix      What the reader can do about it; may be empty.
  Error(ErrorCode code, std::string message, std::string where = {}, std::string fix = {});

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  [[nodiscard]] const std::string& fix() const noexcept { return fix_; }

  /// "<where>: <message>\nfix: <fix>", leaving out what is empty.
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_, where_, fix_, text_;
};

}  // namespace weft
