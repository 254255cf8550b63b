#include "weft/model.h"

#include <string>
#include <utility>

#include "src/model/file_kind.h"
#include "weft/error.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using model_detail::FileKind;
using model_detail::file_kind;

std::string backend_of(FileKind kind) {
  if (kind == FileKind::kExecuTorch) return "executorch";
  if (kind == FileKind::kAoti) return "aoti";
  return {};
}

[[noreturn]] void throw_no_model(FileKind kind, const fs::path& path) {
  const std::string where = path.string();
  const std::string export_it = "export it: weft export " + where + " -o model.pte";
  switch (kind) {
    case FileKind::kEmpty:
      throw Error(ErrorCode::kCorrupt, "is empty", where, "fetch or export it again");
    case FileKind::kCutZip:
      throw Error(ErrorCode::kCorrupt, "is a .pt2 or another zip archive whose directory is missing or damaged", where,
                  "the file is cut short; fetch or export it again");
    case FileKind::kExportedProgram:
      throw Error(ErrorCode::kUnsupported, "is a torch.export program that isn't compiled", where,
                  "make a .pte or .pt2 from its checkpoint with weft export");
    case FileKind::kCheckpoint:
      throw Error(ErrorCode::kUnsupported, "is a PyTorch checkpoint, not an exported model", where, export_it);
    case FileKind::kGguf:
      throw Error(ErrorCode::kUnsupported, "is a GGUF checkpoint, not an exported model", where, export_it);
    case FileKind::kSafetensors:
      throw Error(ErrorCode::kUnsupported, "is a safetensors checkpoint, not an exported model", where,
                  "export the folder that it is in: weft export FOLDER -o model.pte");
    default:
      throw Error(ErrorCode::kUnsupported, "is neither an ExecuTorch program (.pte) nor an AOTInductor package (.pt2)",
                  where, "give a model that weft export wrote");
  }
}

}  // namespace

std::string detect_backend(const fs::path& path) { return backend_of(file_kind(path)); }

fs::path find_model_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (const FileKind kind = file_kind(path); backend_of(kind).empty()) throw_no_model(kind, path);
    return path;
  }
  fs::path found;
  fs::directory_iterator entries(path, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (!entries->is_regular_file(ignored) || detect_backend(entries->path()).empty()) continue;
    if (!found.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "holds several models: " + found.filename().string() + " and " + entries->path().filename().string(),
                  path.string(), "give the path of one of them");
    }
    found = entries->path();
  }
  if (error) throw Error(ErrorCode::kIo, "can't be listed: " + error.message(), path.string(), "check its permissions");
  if (found.empty()) {
    throw Error(ErrorCode::kNotFound, "no file in this folder is a .pte or .pt2 model", path.string(),
                "if it is a checkpoint, export it: weft export " + path.string() + " -o model.pte");
  }
  return found;
}

std::unique_ptr<ModelFile> open_model(const fs::path& path) {
  const fs::path file = find_model_file(path);
  return load_backend(detect_backend(file)).open(file);
}

std::unique_ptr<Model> load_model(const fs::path& path, const RunnerOptions& options) {
  const fs::path file = find_model_file(path);
  return load_model(file, load_backend(detect_backend(file)), options);
}

std::unique_ptr<Model> load_model(const fs::path& path, const Backend& backend, const RunnerOptions& options) {
  std::error_code ignored;
  const fs::path file_path = fs::is_directory(path, ignored) ? find_model_file(path) : path;
  const std::unique_ptr<ModelFile> file = backend.open(file_path);
  auto model = std::make_unique<Model>();
  // What is small comes first, so that a missing tokenizer is told before gigabytes are loaded.
  model->info = read_info(*file, file_path);
  model->info.backend = backend.name();
  model->tokenizer = read_tokenizer(*file, file_path);
  model->chat_template = read_chat_template(*file, file_path);
  model->defaults = read_generation_defaults(*file, file_path, *model->tokenizer);
  model->runner = file->load_runner(options);
  if (model->info.max_context == 0) model->info.max_context = model->runner->max_context();
  if (model->info.vocab_size == 0) model->info.vocab_size = model->runner->vocab_size();
  return model;
}

}  // namespace weft
