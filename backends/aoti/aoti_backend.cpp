#include "weft/aoti.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/accumulate.h>
#include <caffe2/serialize/inline_container.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <thread>

#include "backends/aoti/operators.h"
#include "weft/error.h"
#include "weft/kernels/call_timer.h"
#include "weft/kernels/thread_pool.h"
#include "weft/program.h"

namespace weft {

namespace {

using Json = nlohmann::json;
using Archive = caffe2::serialize::PyTorchStreamReader;

// Where weft's export puts its assets in the archive; PyTorch calls these "extra files".
constexpr const char* kAssetPrefix = "extra/";
constexpr const char* kWeightPrefix = "extra/weights/";
constexpr const char* kWeightIndex = "weights.json";

// libtorch's messages carry a C++ stack trace behind the first lines.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, std::min(text.find('\n'), std::size_t{300}));
}

// A whole file, mapped so that what is written to it stays private to this process: mutable buffers of a
// program may lie in it, and its clean pages are shared with other processes.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (file < 0 || ::fstat(file, &status) != 0) fail(path, file);
    size_ = static_cast<std::size_t>(status.st_size);
    void* data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) fail(path, file);
    ::close(file);
    data_ = static_cast<std::byte*>(data);
  }
  ~MappedFile() { ::munmap(data_, size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  [[noreturn]] static void fail(const std::string& path, int file) {
    const int reason = errno;
    if (file >= 0) ::close(file);
    throw Error(ErrorCode::kIo, std::string("can't be mapped: ") + std::strerror(reason), path, "check the file and free memory");
  }
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// One constant of the program, as "weights.json" lists it.
struct Weight {
  std::string name;
  at::ScalarType dtype;
  std::vector<std::int64_t> sizes;
  std::size_t offset;  // in the file
};

at::ScalarType parse_dtype(const std::string& name, const std::string& where) {
  static const std::map<std::string, at::ScalarType> known = {
      {"float32", at::kFloat}, {"float16", at::kHalf}, {"bfloat16", at::kBFloat16}, {"float64", at::kDouble},
      {"int64", at::kLong},    {"int32", at::kInt},    {"int16", at::kShort},       {"int8", at::kChar},
      {"uint8", at::kByte},    {"bool", at::kBool}};
  const auto found = known.find(name);
  if (found == known.end()) throw Error(ErrorCode::kUnsupported, "unknown dtype '" + name + "'", where, "update weft");
  return found->second;
}

// The index comes from outside: each weight must lie within its record, uncompressed and aligned.
std::vector<Weight> parse_weight_index(const std::string& text, Archive& archive, const std::string& path) {
  const std::string where = path + ": " + kWeightIndex;
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorCode::kCorrupt, problem, where, "the file is damaged; fetch or export it again");
  };
  const Json index = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!index.is_array()) fail("is no JSON list");
  std::vector<Weight> weights;
  for (const Json& entry : index) {
    if (!entry.is_object() || !entry.value("name", Json()).is_string() || !entry.value("dtype", Json()).is_string() ||
        !entry.value("sizes", Json()).is_array() || !entry.value("record", Json()).is_string()) {
      fail("entry " + std::to_string(weights.size()) + " lacks name, dtype, sizes or record");
    }
    const std::string record = "extra/" + entry["record"].get<std::string>();
    Weight weight{entry["name"].get<std::string>(), parse_dtype(entry["dtype"].get<std::string>(), where), {}, 0};
    const std::uint64_t record_bytes = archive.getRecordSize(record);
    std::uint64_t bytes = c10::elementSize(weight.dtype);
    for (const Json& size : entry["sizes"]) {
      const std::uint64_t n = size.is_number_unsigned() ? size.get<std::uint64_t>() : UINT64_MAX;
      if (n > record_bytes || (n != 0 && bytes > record_bytes / n)) fail("'" + weight.name + "' is larger than its record");
      bytes *= n;
      weight.sizes.push_back(static_cast<std::int64_t>(n));
    }
    weight.offset = archive.getRecordOffset(record);
    if (bytes != record_bytes || weight.offset % 64 != 0) fail("'" + weight.name + "' differs from its record in size, or isn't aligned");
    weights.push_back(std::move(weight));
  }
  return weights;
}

// While it lives, libtorch's operators on this thread are told to whoever listens (weft/kernels/call_timer.h). What inductor compiled
// calls few of them; weft's own tell more about themselves.
class OperatorTimers {
 public:
  OperatorTimers() {
    if (kernels::call_listener() == nullptr) return;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));
  }
  ~OperatorTimers() {
    if (handle_) at::removeCallback(*handle_);
  }
  OperatorTimers(const OperatorTimers&) = delete;
  OperatorTimers& operator=(const OperatorTimers&) = delete;

 private:
  struct Begin final : at::ObserverContext {
    std::int64_t ns = kernels::call_clock_ns();
  };
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) { return std::make_unique<Begin>(); }
  static void end(const at::RecordFunction& function, at::ObserverContext* context) {
    const std::string_view name = function.name();
    const auto* listener = kernels::call_listener();
    if (listener == nullptr || context == nullptr || name.starts_with("weft::")) return;
    (*listener)({name, {}, 0, static_cast<Begin*>(context)->ns, kernels::call_clock_ns()});
  }

  std::optional<at::CallbackHandle> handle_;
};

// A program that was compiled beside a torch with CUDA needs libtorch.so by name, for some of the standard library's functions that lie
// there as well. It is beside the libtorch_cpu that this is linked with. Loaded only for such programs: with CUDA it brings libtorch_cuda.
bool load_named_libtorch() {
  Dl_info cpu{};
  if (dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &cpu) == 0) return false;
  return dlopen(std::filesystem::path(cpu.dli_fname).replace_filename("libtorch.so").c_str(), RTLD_LAZY) != nullptr;
}

std::unique_ptr<torch::inductor::AOTIModelPackageLoader> load_package(const std::string& path) {
  const auto load = [&] { return std::make_unique<torch::inductor::AOTIModelPackageLoader>(path, "model", /*run_single_threaded=*/true); };
  try {
    return load();
  } catch (const std::exception& error) {
    if (std::string_view(error.what()).find("libtorch.so") == std::string_view::npos || !load_named_libtorch()) throw;
  }
  return load();
}

class AotiProgram final : public Program {
 public:
  AotiProgram(const std::string& path, const std::vector<Weight>& weights, std::shared_ptr<kernels::ThreadPool> threads)
      : where_("program '" + path + "'"), threads_(std::move(threads)) {
    try {
      loader_ = load_package(path);
    } catch (const std::exception& error) {
      throw Error(ErrorCode::kBackend, "the compiled program can't be loaded (" + first_line(error) + ")", path,
                  "it runs on the kind of CPU and the torch version that it was exported with; export it again here");
    }
    if (weights.empty()) return;
    file_ = std::make_unique<MappedFile>(path);
    try {
      const auto wanted_list = loader_->get_constant_fqns();  // what the compiler found no use for is not among them
      const std::set<std::string> wanted(wanted_list.begin(), wanted_list.end());
      std::unordered_map<std::string, at::Tensor> constants;
      for (const Weight& weight : weights) {
        if (!wanted.contains(weight.name)) continue;
        const std::size_t bytes = c10::elementSize(weight.dtype) * c10::multiply_integers(weight.sizes);
        if (weight.offset > file_->size() || bytes > file_->size() - weight.offset) throw std::runtime_error("a weight lies behind the file's end");
        constants.emplace(weight.name, at::from_blob(file_->data() + weight.offset, weight.sizes, weight.dtype));
      }
      loader_->load_constants(constants, /*use_inactive=*/false, /*check_full_update=*/true, /*user_managed=*/true);
    } catch (const std::exception& error) {
      throw Error(ErrorCode::kCorrupt, "the program and its weights don't fit (" + first_line(error) + ")", path,
                  "the file is damaged; fetch or export it again");
    }
  }

  ProgramOutput execute(std::span<const ProgramInput> inputs) override {
    const c10::InferenceMode guard;
    std::vector<at::Tensor> tensors;
    for (const ProgramInput& input : inputs) {
      tensors.push_back(at::from_blob(const_cast<std::int64_t*>(input.data), input.sizes, at::kLong));
    }
    const OperatorTimers timers;
    try {
      std::vector<at::Tensor> outputs = loader_->boxed_run(std::move(tensors));
      if (outputs.empty()) throw Error(ErrorCode::kBackend, "forward gave no tensor", where_);
      logits_ = outputs[0].scalar_type() == at::kFloat ? outputs[0].contiguous() : outputs[0].to(at::kFloat).contiguous();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error(ErrorCode::kBackend, "forward failed (" + first_line(error) + ")", where_);
    }
    return {logits_.const_data_ptr<float>(), logits_.sizes().vec()};
  }

  [[nodiscard]] const kernels::ParallelFor& parallel_for() const override { return threads_->parallel_for(); }

 private:
  std::string where_;
  std::shared_ptr<kernels::ThreadPool> threads_;
  std::unique_ptr<MappedFile> file_;  // outlives the loader, whose constants lie in it
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
  at::Tensor logits_;
};

class AotiFile final : public ModelFile {
 public:
  explicit AotiFile(const std::filesystem::path& path) : where_(path.string()) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      throw Error(ErrorCode::kInvalidArgument, "is a folder, not a .pt2 file", where_);
    }
    if (!std::ifstream(path, std::ios::binary)) {
      throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, std::string("can't be opened: ") + std::strerror(errno),
                  where_, "check the path and its permissions");
    }
    try {
      archive_ = std::make_unique<Archive>(where_);
      records_ = archive_->getAllRecords();
    } catch (const std::exception& e) {
      throw Error(ErrorCode::kCorrupt, "is no PyTorch archive (" + first_line(e) + ")", where_,
                  "the file is cut short, damaged, or no .pt2; fetch or export it again");
    }
    const bool compiled = std::any_of(records_.begin(), records_.end(),
                                      [](const std::string& name) { return name.rfind("data/aotinductor/model/", 0) == 0; });
    if (!compiled) {
      throw Error(ErrorCode::kCorrupt, "is a PyTorch archive without an AOTInductor program named 'model'", where_,
                  "pass a .pt2 file that weft export wrote");
    }
  }

  [[nodiscard]] std::vector<std::string> assets() const override {
    std::vector<std::string> names;
    for (const std::string& record : records_) {
      const std::string name = record.rfind(kAssetPrefix, 0) == 0 ? record.substr(std::strlen(kAssetPrefix)) : "";
      if (!name.empty() && record.rfind(kWeightPrefix, 0) != 0 && name != kWeightIndex) names.push_back(name);
    }
    return names;
  }

  [[nodiscard]] std::optional<std::string> asset(std::string_view name) const override {
    const std::string record = kAssetPrefix + std::string(name);
    if (std::find(records_.begin(), records_.end(), record) == records_.end()) return std::nullopt;
    try {
      const auto [data, size] = archive_->getRecord(record);
      return std::string(static_cast<const char*>(data.get()), size);
    } catch (const std::exception& e) {
      throw Error(ErrorCode::kCorrupt, "can't be read (" + first_line(e) + ")", where_ + ": " + std::string(name),
                  "the file is damaged; fetch or export it again");
    }
  }

  // What weft exports lies uncompressed in the archive, so that the file's bytes are the asset's.
  [[nodiscard]] std::optional<KeptBytes> mapped_asset(std::string_view name) const override {
    const std::string record = kAssetPrefix + std::string(name);
    if (std::find(records_.begin(), records_.end(), record) == records_.end()) return std::nullopt;
    const auto fail = [&](const std::string& problem) {
      throw Error(ErrorCode::kCorrupt, problem, where_ + ": " + std::string(name),
                  "the file is damaged; fetch or export it again");
    };
    std::size_t offset = 0, size = 0;
    try {
      offset = archive_->getRecordOffset(record);
      size = archive_->getRecordSize(record);
    } catch (const std::exception& e) {
      fail("can't be read (" + first_line(e) + ")");
    }
    auto file = std::make_shared<const MappedFile>(where_);
    if (offset > file->size() || size > file->size() - offset) fail("lies outside of the file");
    const std::string_view bytes(reinterpret_cast<const char*>(file->data()) + offset, size);
    return KeptBytes{std::move(file), bytes};
  }

  [[nodiscard]] std::vector<std::string> methods() const override { return {"forward"}; }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const override {
    std::vector<std::pair<std::string, std::string>> facts;
    std::size_t weights = 0;
    for (const std::string& record : records_) {
      if (record.ends_with(".so")) facts.emplace_back("compiled program", std::to_string(archive_->getRecordSize(record)) + " bytes");
      if (record.rfind(kWeightPrefix, 0) == 0) weights += archive_->getRecordSize(record);
    }
    facts.emplace_back("weights", std::to_string(weights) + " bytes");
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
    const auto n_threads = options.threads > 0 ? static_cast<unsigned>(options.threads) : cores;
    at::set_num_threads(static_cast<int>(n_threads));  // for matrix products of many f32 rows

    std::vector<Weight> weights;
    if (const auto index = asset(kWeightIndex)) {
      try {
        weights = parse_weight_index(*index, *archive_, where_);
      } catch (const Error&) {
        throw;
      } catch (const std::exception& e) {
        throw Error(ErrorCode::kCorrupt, "has no readable weights (" + first_line(e) + ")", where_,
                    "the file is damaged; fetch or export it again");
      }
    }
    auto threads = std::make_shared<kernels::ThreadPool>(n_threads);
    auto load = [path = where_, weights = std::move(weights), threads = std::move(threads)] {
      return std::make_unique<AotiProgram>(path, weights, threads);
    };
    return make_runner(std::move(load), std::move(info), options, where_);
  }

 private:
  std::string where_;
  std::unique_ptr<Archive> archive_;
  std::vector<std::string> records_;
};

class AotiBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "aoti"; }
  [[nodiscard]] std::unique_ptr<ModelFile> open(const std::filesystem::path& path) const override {
    register_torch_operators();
    return std::make_unique<AotiFile>(path);
  }
};

}  // namespace

const Backend& aoti_backend() {
  static const AotiBackend backend;
  return backend;
}

}  // namespace weft
