// Whole files into memory, with errors that say what to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace weft::model_detail {

/// @throws Error{kNotFound, kIo}; kInvalidArgument for what is no regular file (a pipe would block).
[[nodiscard]] std::uint64_t regular_file_bytes(const std::filesystem::path& path);

/// @throws as above, and Error{kTooLarge} for more than `max_bytes`.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Turns a failed open into kNotFound or kIo.
[[noreturn]] void throw_unreadable(const std::filesystem::path& path, int error_number);

}  // namespace weft::model_detail
