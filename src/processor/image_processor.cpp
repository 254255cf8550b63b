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
using processor_detail::Size;

constexpr std::size_t kChannels = 3;
constexpr std::uintmax_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxSide = 16384;  // Of every image on the way: so none has more than 2^28 pixels.
constexpr int kMaxDepth = 16;

// What each family's class does where the file is silent: files of early releases leave out most of these keys.
struct Family {
  std::string_view name;
  std::string_view defaults;
};

#define WEFT_CLIP_DEFAULTS                                                                                 \
  R"({"do_resize": true, "size": {"shortest_edge": 224}, "default_to_square": false, "resample": 3,
      "do_center_crop": true, "crop_size": 224, "do_rescale": true, "rescale_factor": 0.00392156862745098,
      "do_normalize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073],
      "image_std": [0.26862954, 0.26130258, 0.27577711]})"
constexpr std::string_view kClipDefaults = WEFT_CLIP_DEFAULTS;
