// What a file is, told from its content.
#pragma once

#include <filesystem>

namespace weft::model_detail {

enum class FileKind {
  kExecuTorch,       // a flatbuffer with the identifier "ET12" or its like
  kAoti,             // a zip with <name>/archive_format and <name>/data/aotinductor/
  kExportedProgram,  // torch.export.save(): a pt2 archive that nobody compiled
  kCheckpoint,       // torch.save(): a zip with <name>/data.pkl
  kOtherZip,
  kCutZip,           // begins as a zip and has no directory at its end
  kGguf,
  kSafetensors,
  kEmpty,
  kUnknown,
};

/// Reads the first bytes, and of a zip its directory.
/// @throws Error{kNotFound, kIo}; kInvalidArgument if `path` is no regular file.
[[nodiscard]] FileKind file_kind(const std::filesystem::path& path);

}  // namespace weft::model_detail
