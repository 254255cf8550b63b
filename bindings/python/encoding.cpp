#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/python/bindings.h"
#include "weft/tokenizer.h"

namespace weft::python {
namespace {

using namespace nb::literals;
using Encodings = std::vector<std::shared_ptr<const Encoding>>;

// Fields are lent: the Encoding lives as long as an array of it does.
template <typename T>
nb::ndarray<nb::numpy, const T, nb::ndim<1>> array_of(const std::vector<T>& values, nb::handle owner) {
  return {values.data(), {values.size()}, owner};
}
nb::ndarray<nb::numpy, const std::size_t, nb::shape<-1, 2>> spans_of(const std::vector<ByteSpan>& spans, nb::handle owner) {
  static_assert(sizeof(ByteSpan) == 2 * sizeof(std::size_t));
  return {reinterpret_cast<const std::size_t*>(spans.data()), {spans.size(), 2}, owner};
}

// By the names of Encoding's properties; all of them without names.
unsigned read_fields(const std::optional<std::vector<std::string>>& names) {
  if (!names) return ~0u;
  constexpr std::pair<std::string_view, EncodingField> known[] = {{"ids", kIds},          {"offsets", kOffsets},
                                                                  {"words", kWords},      {"type_ids", kTypeIds},
                                                                  {"specials_mask", kSpecialsMask}, {"attention_mask", kAttentionMask}};
  unsigned fields = 0;
  for (const std::string& name : *names) {
    const auto* found = std::find_if(std::begin(known), std::end(known), [&](const auto& field) { return field.first == name; });
    if (found == std::end(known)) {
      refuse("'" + name + "' is no field of an encoding", "fields", "choose of ids, offsets, words, type_ids, specials_mask, attention_mask");
    }
    fields |= found->second;
  }
  return fields;
}

Encodings encode_all(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                     const std::optional<std::vector<std::string>>& pairs, Specials specials, bool add_special_tokens,
                     const std::optional<Truncation>& truncation, const std::optional<Padding>& padding, bool as_file_says,
                     const std::optional<std::vector<std::string>>& names, unsigned threads) {
  EncodeOptions options{.fields = read_fields(names)};
  if (pairs && pairs->size() != texts.size()) {
    refuse(std::to_string(pairs->size()) + " second texts for " + std::to_string(texts.size()) + " first ones", "pairs",
           "give one for each, or none at all");
  }
  const nb::gil_scoped_release released;
  std::vector<TextPart> parts;
  parts.reserve(2 * texts.size());
  std::vector<EncodeInput> inputs;
  inputs.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    parts.push_back({texts[i], specials});
    EncodeInput input{.text = {&parts.back(), 1}};
    if (pairs) {
      parts.push_back({(*pairs)[i], specials});
      input.second = std::span<const TextPart>(&parts.back(), 1);
    }
    inputs.push_back(input);
  }
  options.add_special_tokens = add_special_tokens;
  options.truncation = truncation;
  options.padding = padding;
  options.as_file_says = as_file_says;
  Encodings result;
  result.reserve(texts.size());
  for (Encoding& encoding : encode_batch(tokenizer, inputs, options, threads)) {
    result.push_back(std::make_shared<const Encoding>(std::move(encoding)));
  }
  return result;
}

}  // namespace

void add_encoding(nb::module_& module) {
  nb::enum_<Side>(module, "Side").value("LEFT", Side::kLeft).value("RIGHT", Side::kRight);
  nb::enum_<Truncation::Strategy>(module, "TruncationStrategy")
      .value("LONGEST_FIRST", Truncation::Strategy::kLongestFirst, "The longer one of a pair.")
      .value("ONLY_FIRST", Truncation::Strategy::kOnlyFirst)
      .value("ONLY_SECOND", Truncation::Strategy::kOnlySecond);
  nb::class_<Truncation>(module, "Truncation", "How long sequences are cut to a length.")
      .def("__init__", [](Truncation* self, std::size_t max_tokens, std::size_t stride, Truncation::Strategy strategy, Side side) {
        new (self) Truncation{max_tokens, stride, strategy, side};
      }, "max_tokens"_a, nb::kw_only(), "stride"_a = 0, "strategy"_a = Truncation::Strategy::kLongestFirst, "side"_a = Side::kRight);
  nb::class_<Padding>(module, "Padding", "How short sequences are filled up to a length; 0: that of the longest.")
      .def("__init__", [](Padding* self, std::size_t length, std::size_t multiple_of, Side side, Token id, std::uint32_t type_id) {
        new (self) Padding{length, multiple_of, side, id, type_id};
      }, "length"_a = 0, nb::kw_only(), "multiple_of"_a = 0, "side"_a = Side::kRight, "id"_a = 0, "type_id"_a = 0);

  // nanobind lends the arrays of an object that it holds itself.
  nb::class_<Encoding>(module, "Encoding", "The tokens of a text or a pair; arrays have one element for each.")
      .def("__len__", [](const Encoding& encoding) { return encoding.size; })
      .def_prop_ro("ids", [](nb::handle self) { return array_of(nb::cast<const Encoding&>(self).ids, self); }, "i32 [tokens]")
      .def_prop_ro("offsets", [](nb::handle self) { return spans_of(nb::cast<const Encoding&>(self).offsets, self); },
                   "u64 [tokens, 2]: where each token is in the UTF-8 of its text; (0, 0) for what was added.")
      .def_prop_ro("words", [](nb::handle self) { return array_of(nb::cast<const Encoding&>(self).words, self); },
                   "i32 [tokens]: numbers of words; -1 for what was added.")
      .def_prop_ro("type_ids", [](nb::handle self) { return array_of(nb::cast<const Encoding&>(self).type_ids, self); }, "u32 [tokens]")
      .def_prop_ro("specials_mask", [](nb::handle self) { return array_of(nb::cast<const Encoding&>(self).specials_mask, self); },
                   "u8 [tokens]: 1 for what the post-processor or padding added.")
      .def_prop_ro("attention_mask", [](nb::handle self) { return array_of(nb::cast<const Encoding&>(self).attention_mask, self); },
                   "u8 [tokens]: 0 for padding.")
      .def_prop_ro("overflowing", [](const Encoding& encoding) {
        Encodings parts;
        for (const Encoding& part : encoding.overflowing) parts.push_back(std::make_shared<const Encoding>(part));
        return parts;
      }, "What truncation cut off, as further sequences.");

  module.def("encode_batch", encode_all, "tokenizer"_a, "texts"_a, "pairs"_a = nb::none(), nb::kw_only(),
             "specials"_a = Specials::kAsText, "add_special_tokens"_a = true, "truncation"_a = nb::none(), "padding"_a = nb::none(),
             "as_file_says"_a = false, "fields"_a = nb::none(), "threads"_a = 0,
             "Encodes many texts or pairs at once as a model's inputs, on `threads` threads (0: one for each core). `fields`: which of the "
             "encodings' arrays are wanted, [\"ids\"] being several times as fast as all of them; the others are empty.");
}

}  // namespace weft::python
