#include "weft/executorch.h"

#include <executorch/extension/data_loader/mmap_data_loader.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor_ptr.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "backends/executorch/event_tracer.h"
#include "backends/executorch/operators.h"
#include "weft/error.h"
#include "weft/kernels/thread_pool.h"
#include "weft/program.h"

namespace executorch::extension::threadpool {
// The wheel carries these symbols but not their header (extension/threadpool/threadpool.h); 1.5's declaration.
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t thread_count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace weft {
namespace {

namespace et = executorch::runtime;
using executorch::extension::Module;

// ExecuTorch's own words on what fails, which it would print to stderr; kept to stand in our errors.
thread_local std::string last_log;

void keep_log(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t, const char* message, size_t length) {
  if (level != et_pal_log_level_t::kError && level != et_pal_log_level_t::kFatal) return;
  if (last_log.starts_with("Missing operator: ")) return;  // what follows only counts them
  last_log.assign(message, length);
}

void prepare_runtime() {
  static std::once_flag once;
  std::call_once(once, [] {
    et::register_pal(et::PalImpl::create(keep_log, __FILE__));
    et::runtime_init();
    executorch_operators::register_operators();
  });
}

std::string describe(et::Error error) {
  std::string text = "ExecuTorch error " + std::to_string(static_cast<int>(error));
  if (std::string problem = executorch_operators::take_problem(); !problem.empty()) text += ": " + problem;
  else if (!last_log.empty()) text += ": " + last_log;
  last_log.clear();
  return text;
}

// What a failed open or load most likely means to a user.
[[noreturn]] void fail(et::Error error, const std::string& where) {
  switch (error) {
    case et::Error::OperatorMissing:
      throw Error(ErrorCode::kUnsupported, "the program calls an operator that this build lacks (" + describe(error) + ")", where,
                  "export it with weft export, or register the operator's kernel in your program");
    case et::Error::NotFound:
      throw Error(ErrorCode::kUnsupported, "the program needs a backend or data that isn't here (" + describe(error) + ")", where,
                  "export it for CPU (XNNPACK) with weft export");
    case et::Error::MemoryAllocationFailed:
      throw Error(ErrorCode::kTooLarge, "no memory for the model (" + describe(error) + ")", where,
                  "close other programs, or take a smaller or quantised model");
    default:
      throw Error(ErrorCode::kCorrupt, "is no valid ExecuTorch program (" + describe(error) + ")", where,
                  "the file is cut short or damaged; fetch or export it again");
  }
}

class ExecuTorchProgram final : public Program {
 public:
  ExecuTorchProgram(std::shared_ptr<et::Program> program, const std::string& where, std::shared_ptr<kernels::ThreadPool> threads,
                    bool traced)
      : module_(std::move(program), nullptr, nullptr, traced ? make_event_tracer() : nullptr), where_("program '" + where + "'"),
        threads_(std::move(threads)) {
    last_log.clear();
    if (const et::Error error = module_.load_method("forward"); error != et::Error::Ok) fail(error, where);
  }

  ProgramOutput execute(std::span<const ProgramInput> inputs) override {
    std::vector<executorch::extension::TensorPtr> tensors;
    std::vector<et::EValue> values;
    for (const ProgramInput& input : inputs) {
      std::vector<executorch::aten::SizesType> sizes(input.sizes.begin(), input.sizes.end());
      tensors.push_back(executorch::extension::make_tensor_ptr(std::move(sizes), const_cast<int64_t*>(input.data),
                                                               executorch::aten::ScalarType::Long));
      values.emplace_back(*tensors.back());
    }
    last_log.clear();
    auto result = module_.execute("forward", values);
    if (!result.ok()) throw Error(ErrorCode::kBackend, "forward failed (" + describe(result.error()) + ")", where_);
    if (result->empty() || !(*result)[0].isTensor()) throw Error(ErrorCode::kBackend, "forward gave no tensor", where_);
    const executorch::aten::Tensor logits = (*result)[0].toTensor();
    if (logits.scalar_type() != executorch::aten::ScalarType::Float) {
      throw Error(ErrorCode::kUnsupported, "forward's logits are not f32", where_, "export the model with weft export");
    }
    return {logits.const_data_ptr<float>(), {logits.sizes().begin(), logits.sizes().end()}};
  }

  [[nodiscard]] const kernels::ParallelFor& parallel_for() const override { return threads_->parallel_for(); }

 private:
  Module module_;
  std::string where_;
  std::shared_ptr<kernels::ThreadPool> threads_;
};

// A program and the loader that its segments come from, which must live as long.
struct OpenedProgram {
  std::unique_ptr<executorch::extension::MmapDataLoader> loader;
  std::optional<et::Program> program;
};

class ExecuTorchFile final : public ModelFile {
 public:
  explicit ExecuTorchFile(const std::filesystem::path& path) : where_(path.string()), opened_(std::make_shared<OpenedProgram>()) {
    check_head(path);
    last_log.clear();
    auto loader = executorch::extension::MmapDataLoader::from(where_.c_str(),
                                                              executorch::extension::MmapDataLoader::MlockConfig::NoMlock);
    if (!loader.ok()) fail(loader.error(), where_);
    opened_->loader = std::make_unique<executorch::extension::MmapDataLoader>(std::move(*loader));
    auto program = et::Program::load(opened_->loader.get(), et::Program::Verification::InternalConsistency);
    if (!program.ok()) fail(program.error(), where_);
    opened_->program.emplace(std::move(*program));
  }

  [[nodiscard]] std::vector<std::string> assets() const override {
    std::vector<std::string> names;
    const auto data = opened_->program->get_named_data_map();
    if (!data.ok()) return names;
    const std::uint32_t n = (*data)->get_num_keys().ok() ? *(*data)->get_num_keys() : 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      // Delegates keep their weights under keys of their own, beside the assets.
      if (const auto key = (*data)->get_key(i); key.ok() && std::strncmp(*key, kAssetPrefix, std::strlen(kAssetPrefix)) == 0) {
        names.emplace_back(*key + std::strlen(kAssetPrefix));
      }
    }
    return names;
  }

  [[nodiscard]] std::optional<std::string> asset(std::string_view name) const override {
    const auto kept = mapped_asset(name);
    if (!kept) return std::nullopt;
    return std::string(kept->bytes);
  }

  [[nodiscard]] std::optional<KeptBytes> mapped_asset(std::string_view name) const override {
    const auto data = opened_->program->get_named_data_map();
    if (!data.ok()) return std::nullopt;
    auto buffer = (*data)->get_data(kAssetPrefix + std::string(name));
    if (!buffer.ok()) {
      if (buffer.error() == et::Error::NotFound) return std::nullopt;
      fail(buffer.error(), where_ + ": " + std::string(name));
    }
    // The loader has mapped it.
    struct Mapped {
      std::shared_ptr<const OpenedProgram> opened;
      executorch::runtime::FreeableBuffer buffer;
    };
    auto owner = std::make_shared<const Mapped>(Mapped{opened_, std::move(*buffer)});
    const std::string_view bytes(static_cast<const char*>(owner->buffer.data()), owner->buffer.size());
    return KeptBytes{std::move(owner), bytes};
  }

  [[nodiscard]] std::vector<std::string> methods() const override {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < opened_->program->num_methods(); ++i) {
      if (const auto name = opened_->program->get_method_name(i); name.ok()) names.emplace_back(*name);
    }
    return names;
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const override {
    std::vector<std::pair<std::string, std::string>> facts;
    for (const std::string& method : methods()) {
      const auto meta = opened_->program->method_meta(method.c_str());
      if (!meta.ok()) continue;
      std::size_t planned = 0;
      for (std::size_t i = 0; i < meta->num_memory_planned_buffers(); ++i) {
        if (const auto size = meta->memory_planned_buffer_size(i); size.ok()) planned += static_cast<std::size_t>(*size);
      }
      std::string delegates;
      for (std::size_t i = 0; i < meta->num_backends(); ++i) {
        const auto name = meta->get_backend_name(i);
        if (name.ok() && delegates.find(*name) == std::string::npos) delegates += (delegates.empty() ? "" : ", ") + std::string(*name);
      }
      facts.emplace_back(method + ": delegates", delegates.empty() ? "none" : delegates);
      facts.emplace_back(method + ": planned memory", std::to_string(planned) + " bytes");
    }
    return facts;
  }

  [[nodiscard]] std::unique_ptr<Runner> load_runner(const RunnerOptions& options) override {
    const auto metadata = asset("weft.json");
    if (!metadata) {
      throw Error(ErrorCode::kUnsupported, "has no weft.json: it was not written by weft export", where_,
                  "export the model again with weft export");
    }
    ProgramInfo info = parse_program_info(*metadata, where_);
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const unsigned threads = options.threads > 0 ? static_cast<unsigned>(options.threads) : cores;
    executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(threads);  // for what XNNPACK computes
    auto load = [opened = opened_, where = where_, pool = std::make_shared<kernels::ThreadPool>(threads),
                 traced = options.on_operation != nullptr] {
      return std::make_unique<ExecuTorchProgram>(std::shared_ptr<et::Program>(opened, &*opened->program), where, pool, traced);
    };
    return make_runner(std::move(load), std::move(info), options, where_);
  }

 private:
  static constexpr const char* kAssetPrefix = "weft/";

  // ExecuTorch would say "invalid program" to all of these.
  static void check_head(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      throw Error(ErrorCode::kInvalidArgument, "is a folder, not a .pte file", path.string());
    }
    if (!file) {
      const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
      throw Error(code, std::string("can't be opened: ") + std::strerror(errno), path.string(), "check the path and its permissions");
    }
    char head[8] = {};
    file.read(head, sizeof head);
    if (file.gcount() != sizeof head || std::memcmp(head + 4, "ET", 2) != 0) {
      throw Error(ErrorCode::kCorrupt, "is no ExecuTorch program: it lacks the mark 'ET12' at byte 4", path.string(),
                  "pass a .pte file that weft export wrote");
    }
  }

  std::string where_;
  std::shared_ptr<OpenedProgram> opened_;
};

class ExecuTorchBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "executorch"; }
  [[nodiscard]] std::unique_ptr<ModelFile> open(const std::filesystem::path& path) const override {
    prepare_runtime();
    return std::make_unique<ExecuTorchFile>(path);
  }
};

}  // namespace

const Backend& executorch_backend() {
  static const ExecuTorchBackend backend;
  return backend;
}

}  // namespace weft
