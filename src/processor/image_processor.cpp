// Transformers' fixed-size image processors (CLIP, SigLIP, ViT, LLaVA), as their PIL backend computes them:
// resize, centre crop, rescale, normalise.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "src/processor/resize.h"
#include "weft/error.h"
#include "weft/processor.h"

namespace weft {
namespace {

using Json = nlohmann::json;
using processor_detail::Filter;
using processor_detail::kChannels;
using processor_detail::kMaxSide;
using processor_detail::Size;

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr int kMaxDepth = 16;
constexpr std::size_t kShownBytes = 60;
constexpr const char* kFix = "fetch the model's preprocessor_config.json again, or mend that key";

// What a family's class does where its file is silent or says null: early releases leave out most of these keys.
struct Family {
  std::string_view name;
  const char* defaults;
};

constexpr const char* kClip = R"({
  "do_resize": true, "size": {"shortest_edge": 224}, "default_to_square": false, "resample": 3,
  "do_center_crop": true, "crop_size": 224, "do_rescale": true, "rescale_factor": 0.00392156862745098,
  "do_normalize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073],
  "image_std": [0.26862954, 0.26130258, 0.27577711]})";
constexpr const char* kSiglip = R"({
  "do_resize": true, "size": {"height": 224, "width": 224}, "default_to_square": false, "resample": 3,
  "do_center_crop": false, "do_rescale": true, "rescale_factor": 0.00392156862745098,
  "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})";
constexpr const char* kVit = R"({
  "do_resize": true, "size": {"height": 224, "width": 224}, "default_to_square": true, "resample": 2,
  "do_center_crop": false, "do_rescale": true, "rescale_factor": 0.00392156862745098,
  "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})";
constexpr Family kFamilies[] = {{"CLIP", kClip}, {"Llava", kClip}, {"Siglip", kSiglip}, {"ViT", kVit}};

// A value as errors show it. Never a nested one: dump() recurses.
std::string show(const Json& value) {
  if (value.is_structured()) return value.is_object() ? "an object" : "a list";
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  return text.size() > kShownBytes ? text.substr(0, kShownBytes) + "..." : text;
}

// "CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPFeatureExtractor" -> "CLIP"
std::string_view family_name(std::string_view type) {
  for (const std::string_view suffix : {"Fast", "Pil", "ImageProcessor", "FeatureExtractor"}) {
    if (type.ends_with(suffix)) type.remove_suffix(suffix.size());
  }
  return type;
}

// The file's keys over its family's defaults.
class Config {
 public:
  Config(std::string_view json, std::string_view name) : name_(name) {
    const Json file = parse(json);
    const Json* type = nullptr;
    for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
      if (!type && file.contains(key) && file[key].is_string()) type = &file[key];
    }
    // With no type there are no defaults: the file has to say everything that it asks for.
    values_ = type ? Json::parse(defaults_of(*type)) : Json::object();
    for (const auto& [key, value] : file.items()) {
      if (!value.is_null()) values_[key] = value;
    }
    refuse_unknown_steps();
  }

  bool flag(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_boolean()) fail_type(key, value, "true or false");
    return value.get<bool>();
  }

  float number(const std::string& key) const { return to_float(key, at(key)); }
  double precise_number(const std::string& key) const {
    number(key);
    return at(key).get<double>();
  }

  std::array<float, kChannels> per_channel(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_array() || value.size() != kChannels) fail_type(key, value, "a list of 3 numbers");
    std::array<float, kChannels> numbers;
    for (std::size_t i = 0; i < kChannels; ++i) numbers[i] = to_float(key + "[" + std::to_string(i) + "]", value[i]);
    return numbers;
  }

  Filter filter() const {
    const Json& value = at("resample");
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 5) fail_type("resample", value, "0 to 5");
    const auto number = value.get<int>();
    if (number > 3) {
      fail(ErrorCode::kUnsupported, "resample", "the filter " + std::to_string(number) + " is not supported",
           "the filters are 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic");
    }
    return static_cast<Filter>(number);
  }

  /// The sides of {"height": H, "width": W}; no other form of size.
  std::optional<Size> exact_size(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_object() || value.size() != 2 || !value.contains("height") || !value.contains("width")) {
      return std::nullopt;
    }
    return Size{side(key + ".width", value["width"]), side(key + ".height", value["height"])};
  }

  /// The N of {"shortest_edge": N}.
  std::optional<std::size_t> shortest_edge(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_object() || value.size() != 1 || !value.contains("shortest_edge")) return std::nullopt;
    return side(key + ".shortest_edge", value["shortest_edge"]);
  }

  std::optional<std::size_t> number_as_side(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_number()) return std::nullopt;
    return side(key, value);
  }

  [[noreturn]] void fail(ErrorCode code, const std::string& key, const std::string& message,
                         const std::string& fix = kFix) const {
    throw Error(code, key + ": " + message, name_, fix);
  }

 private:
  Json parse(std::string_view text) const {
    if (text.size() > kMaxFileBytes) {
      throw Error(ErrorCode::kTooLarge, "has more than " + std::to_string(kMaxFileBytes) + " bytes", name_,
                  "check that it is the right file");
    }
    const auto bound_depth = [this](int depth, Json::parse_event_t, Json&) {
      if (depth <= kMaxDepth) return true;
      throw Error(ErrorCode::kCorrupt, "is nested deeper than " + std::to_string(kMaxDepth) + " levels", name_, kFix);
    };
    try {
      Json json = Json::parse(text, bound_depth);
      if (json.is_object()) return json;
      throw Error(ErrorCode::kCorrupt, "holds " + show(json) + " where an object was expected", name_, kFix);
    } catch (const Json::exception& error) {
      // nlohmann's words are "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
      const std::string reason = error.what();
      const auto bracket = reason.find("] ");
      throw Error(ErrorCode::kCorrupt, "is no JSON: " + (bracket == reason.npos ? reason : reason.substr(bracket + 2)),
                  name_, kFix);
    }
  }

  const char* defaults_of(const Json& type) const {
    for (const Family& family : kFamilies) {
      if (family_name(type.get_ref<const std::string&>()) == family.name) return family.defaults;
    }
    fail(ErrorCode::kUnsupported, "image_processor_type", show(type) + " is not supported",
         "the image processors are those of CLIP, Llava, Siglip and ViT");
  }

  // A step that we don't know, left out, would give the model other pixels than it was trained on.
  void refuse_unknown_steps() const {
    constexpr std::string_view kKnown[] = {"do_resize", "do_center_crop", "do_rescale", "do_normalize",
                                           "do_convert_rgb"};
    for (const auto& [key, value] : values_.items()) {
      const bool is_step = key.starts_with("do_") || key == "use_square_size";  // The latter is KOSMOS-2's CLIP.
      if (!is_step || std::ranges::count(kKnown, key) || (value.is_boolean() && !value.get<bool>())) continue;
      fail(ErrorCode::kUnsupported, shown_key(key), "is not supported", "resize, crop, rescale and normalise are");
    }
    if (values_.contains("data_format") && values_["data_format"] != "channels_first") {
      fail(ErrorCode::kUnsupported, "data_format", show(values_["data_format"]) + " is not supported",
           "\"channels_first\" is");
    }
  }

  static std::string shown_key(const std::string& key) {
    const std::string quoted = show(key);
    return quoted == '"' + key + '"' ? key : quoted;
  }

  const Json& at(const std::string& key) const {
    if (const auto found = values_.find(key); found != values_.end()) return *found;
    fail(ErrorCode::kCorrupt, key, "is missing", "add it, or image_processor_type, which says what its default is");
  }

  [[noreturn]] void fail_type(const std::string& key, const Json& value, const std::string& expected) const {
    fail(ErrorCode::kCorrupt, key, "is " + show(value) + " where " + expected + " was expected");
  }

  float to_float(const std::string& key, const Json& value) const {
    if (!value.is_number() || std::abs(value.get<double>()) > std::numeric_limits<float>::max()) {
      fail_type(key, value, "a number within f32");
    }
    return value.get<float>();
  }

  std::size_t side(const std::string& key, const Json& value) const {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > kMaxSide) {
      fail(ErrorCode::kTooLarge, key, "is " + show(value) + "; at most " + std::to_string(kMaxSide) + " is allowed");
    }
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0) fail_type(key, value, "a whole number above 0");
    return value.get<std::size_t>();
  }

  std::string name_;
  Json values_;
};

struct ResizeStep {
  Size size;
  bool shortest_edge;  // Only the shorter side becomes size; the other keeps the image's ratio.
  Filter filter;
};

std::optional<ResizeStep> read_resize(const Config& config) {
  if (!config.flag("do_resize")) return std::nullopt;
  const Filter filter = config.filter();
  if (const auto size = config.exact_size("size")) return ResizeStep{*size, false, filter};
  if (const auto edge = config.shortest_edge("size")) return ResizeStep{{*edge, *edge}, true, filter};
  if (const auto side = config.number_as_side("size")) {
    return ResizeStep{{*side, *side}, !config.flag("default_to_square"), filter};
  }
  config.fail(ErrorCode::kUnsupported, "size", "this form is not supported",
              "it may be a number, or an object of height and width, or of shortest_edge alone");
}

std::optional<Size> read_crop(const Config& config) {
  if (!config.flag("do_center_crop")) return std::nullopt;
  if (const auto size = config.exact_size("crop_size")) return size;
  if (const auto side = config.number_as_side("crop_size")) return Size{*side, *side};
  config.fail(ErrorCode::kUnsupported, "crop_size", "this form is not supported",
              "it may be a number, or an object of height and width");
}

// What each u8 of each channel becomes.
using ValueTable = std::array<std::array<float, 256>, kChannels>;

// In the precision of Transformers: rescale() multiplies in f64 and rounds to f32, normalize() works in f32.
ValueTable read_values(const Config& config) {
  const double factor = config.flag("do_rescale") ? config.precise_number("rescale_factor") : 1;
  const bool normalize = config.flag("do_normalize");
  std::array<float, kChannels> mean{};
  std::array<float, kChannels> std{1, 1, 1};
  if (normalize) {
    mean = config.per_channel("image_mean");
    std = config.per_channel("image_std");
  }
  ValueTable table;
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    if (std[channel] == 0) config.fail(ErrorCode::kCorrupt, "image_std", "holds 0, by which nothing can be divided");
    for (std::size_t pixel = 0; pixel < 256; ++pixel) {
      const double rescaled = static_cast<double>(pixel) * factor;
      float& value = table[channel][pixel];
      value = (static_cast<float>(rescaled) - mean[channel]) / std[channel];
      if (std::abs(rescaled) > std::numeric_limits<float>::max() || !std::isfinite(value)) {
        config.fail(ErrorCode::kCorrupt, normalize ? "image_std" : "rescale_factor", "gives values beyond f32");
      }
    }
  }
  return table;
}

class ImageProcessor final : public Processor {
 public:
  explicit ImageProcessor(const Config& config)
      : resize_(read_resize(config)), crop_(read_crop(config)), values_(read_values(config)) {}

  ImageInputs process(const ImageView& image) const override {
    const Size from{image.width, image.height};
    if (from.width == 0 || from.height == 0) {
      throw Error(ErrorCode::kInvalidArgument, "has no pixels", "image", "give one of at least 1 x 1");
    }
    if (from.width > kMaxSide || from.height > kMaxSide) fail_side("is", from, "shrink it first");
    if (image.rgb.size() != from.width * from.height * kChannels) {
      throw Error(ErrorCode::kInvalidArgument,
                  "has " + std::to_string(image.rgb.size()) + " bytes, where " + text(from) + " pixels of RGB have " +
                      std::to_string(from.width * from.height * kChannels),
                  "image", "give u8 [height, width, 3] without padding");
    }
    try {
      if (!resize_) return crop_and_convert(image.rgb, from);
      const Size to = resized(from);
      return crop_and_convert(processor_detail::resize(image.rgb, from, to, resize_->filter), to);
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kTooLarge, "needs more memory than there is at " + text(from) + " pixels", "image",
                  "shrink it first");
    }
  }

 private:
  static std::string text(Size size) { return std::to_string(size.width) + " x " + std::to_string(size.height); }

  [[noreturn]] static void fail_side(const std::string& verb, Size size, const std::string& fix) {
    throw Error(ErrorCode::kTooLarge,
                verb + " " + text(size) + " pixels; a side may have " + std::to_string(kMaxSide) + " at most", "image",
                fix);
  }

  Size resized(Size from) const {
    if (!resize_->shortest_edge) return resize_->size;
    const std::size_t edge = resize_->size.width;
    // Python's int(edge * long / short), whose true division rounds as this one does: the product is exact.
    const auto keep_ratio = [edge](std::size_t longer, std::size_t shorter) {
      return static_cast<std::size_t>(static_cast<double>(edge * longer) / static_cast<double>(shorter));
    };
    const Size to = from.width <= from.height ? Size{edge, keep_ratio(from.height, from.width)}
                                              : Size{keep_ratio(from.width, from.height), edge};
    if (to.width > kMaxSide || to.height > kMaxSide) fail_side("resized becomes", to, "crop the longer side first");
    return to;
  }

  ImageInputs crop_and_convert(std::span<const std::uint8_t> rgb, Size from) const {
    const Size to = crop_.value_or(from);
    // Where the image is smaller, the crop begins before it (half a pixel more, as Transformers rounds) and finds
    // black.
    const auto offset = [](std::size_t size, std::size_t crop) {
      const auto spare = static_cast<std::ptrdiff_t>(size) - static_cast<std::ptrdiff_t>(crop);
      return (spare - (spare < 0 ? 1 : 0)) / 2;
    };
    const auto top = offset(from.height, to.height);
    const auto left = offset(from.width, to.width);
    ImageInputs inputs{std::vector<float>(to.width * to.height * kChannels), to.width, to.height};
    float* next = inputs.pixel_values.data();
    for (std::size_t channel = 0; channel < kChannels; ++channel) {
      const auto& values = values_[channel];
      for (std::size_t row = 0; row < to.height; ++row) {
        const std::size_t y = row + static_cast<std::size_t>(top);  // Before the image it wraps to a huge number.
        for (std::size_t column = 0; column < to.width; ++column) {
          const std::size_t x = column + static_cast<std::size_t>(left);
          const bool inside = y < from.height && x < from.width;
          *next++ = values[inside ? rgb[(y * from.width + x) * kChannels + channel] : 0];
        }
      }
    }
    return inputs;
  }

  std::optional<ResizeStep> resize_;
  std::optional<Size> crop_;
  ValueTable values_;
};

}  // namespace

std::unique_ptr<const Processor> load_image_processor(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw Error(ErrorCode::kNotFound, "there is no such file", path.string(), "check the path");
  }
  // Reading a pipe could wait for ever.
  if (!error && status.type() != std::filesystem::file_type::regular) {
    throw Error(ErrorCode::kIo, "is no regular file", path.string(), "give the path of a preprocessor_config.json");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kMaxFileBytes + 1, '\0');
  if (file) file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.is_open() || file.bad()) {
    throw Error(ErrorCode::kIo, "can't be read: " + std::generic_category().message(errno), path.string(),
                "check its permissions and the disk");
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return parse_image_processor(bytes, path.string());
}

std::unique_ptr<const Processor> parse_image_processor(std::string_view json, std::string_view name) {
  return std::make_unique<ImageProcessor>(Config(json, name));
}

}  // namespace weft
