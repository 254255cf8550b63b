#include "weft/tokenizer.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "bindings/python/bindings.h"

namespace weft::python {
namespace {

using namespace nb::literals;
using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;

constexpr const char* kFix = "give a list of ids, or a one-dimensional integer array";

[[noreturn]] void refuse_id(std::size_t index, const std::string& value) {
  refuse(value + " is no token id", "tokens[" + std::to_string(index) + "]", "ids are whole numbers from 0 to vocab_size - 1");
}

Token to_token(std::int64_t id, std::size_t index) {
  if (id < 0 || id > std::numeric_limits<Token>::max()) refuse_id(index, std::to_string(id));
  return static_cast<Token>(id);
}

template <class Integer>
void copy_ids(const AnyArray& array, std::vector<Token>& tokens) {
  const auto* bytes = static_cast<const char*>(array.data());
  for (std::size_t i = 0; i < array.shape(0); ++i) {
    Integer id;
    std::memcpy(&id, bytes + static_cast<std::int64_t>(i) * array.stride(0) * static_cast<std::int64_t>(sizeof id), sizeof id);
    if (std::uint64_t(id) > std::uint64_t(std::numeric_limits<Token>::max())) refuse_id(i, std::to_string(id));
    tokens.push_back(static_cast<Token>(id));
  }
}

std::vector<Token> read_array(const AnyArray& array) {
  if (array.ndim() != 1) refuse("is an array of " + std::to_string(array.ndim()) + " dimensions", "tokens", kFix);
  std::vector<Token> tokens;
  tokens.reserve(array.shape(0));
  const nb::dlpack::dtype type = array.dtype();
  if (type == nb::dtype<std::int32_t>()) {
    copy_ids<std::int32_t>(array, tokens);
  } else if (type == nb::dtype<std::int64_t>()) {
    copy_ids<std::int64_t>(array, tokens);
  } else if (type == nb::dtype<std::uint32_t>()) {
    copy_ids<std::uint32_t>(array, tokens);
  } else if (type == nb::dtype<std::uint64_t>()) {
    copy_ids<std::uint64_t>(array, tokens);
  } else if (type == nb::dtype<std::int16_t>()) {
    copy_ids<std::int16_t>(array, tokens);
  } else if (type == nb::dtype<std::uint16_t>()) {
    copy_ids<std::uint16_t>(array, tokens);
  } else if (array.shape(0) != 0) {  // an empty list becomes an array of floats
    refuse("is an array of another type than whole numbers", "tokens", kFix);
  }
  return tokens;
}

std::vector<Token> read_sequence(nb::handle object) {
  std::vector<Token> tokens;
  for (const nb::handle item : object) {
    const std::size_t index = tokens.size();
    const auto number = nb::steal(PyNumber_Index(item.ptr()));
    if (!number.is_valid()) {
      PyErr_Clear();
      refuse_id(index, nb::cast<std::string>(nb::repr(item)));
    }
    int overflow = 0;
    const long long id = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0) refuse_id(index, nb::cast<std::string>(nb::str(item)));
    tokens.push_back(to_token(id, index));
  }
  return tokens;
}

std::shared_ptr<const Tokenizer> load(const std::filesystem::path& path) {
  const nb::gil_scoped_release released;
  return load_tokenizer(path);
}

std::shared_ptr<const Tokenizer> parse(const nb::bytes& bytes, const std::string& name) {
  const std::string_view view(bytes.c_str(), bytes.size());
  const nb::gil_scoped_release released;
  return parse_tokenizer(view, name);
}

TokenArray encode_text(const Tokenizer& tokenizer, std::string_view text, Specials specials) {
  std::vector<Token> tokens;
  {
    const nb::gil_scoped_release released;
    tokens = tokenizer.encode(text, specials);
  }
  return to_array(std::move(tokens));
}

TokenArray encode_prompt(const Tokenizer& tokenizer, const Prompt& prompt) {
  std::vector<Token> tokens;
  {
    const nb::gil_scoped_release released;
    tokens = tokenizer.encode(prompt);
  }
  return to_array(std::move(tokens));
}

std::string decode(const Tokenizer& tokenizer, const TokenIds& ids, Specials specials) {
  const std::vector<Token> tokens = ids.read();
  const nb::gil_scoped_release released;
  return tokenizer.decode(tokens, specials);
}

// Keeps the tokenizer, which C++'s decoder only borrows.
struct OwningDecoder {
  std::shared_ptr<const Tokenizer> tokenizer;
  StreamDecoder decoder;
  OwningDecoder(std::shared_ptr<const Tokenizer> lent, Specials specials)
      : tokenizer(std::move(lent)), decoder(*tokenizer, specials) {}
};

}  // namespace

std::vector<Token> TokenIds::read() const {
  if (PyList_Check(object.ptr()) || PyTuple_Check(object.ptr())) return read_sequence(object);
  if (PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr())) refuse("is a text", "tokens", "encode it first: tokenizer.encode(text)");
  AnyArray array;
  if (nb::try_cast(object, array, /*convert=*/false)) return read_array(array);
  if (PySequence_Check(object.ptr())) return read_sequence(object);
  refuse("is a " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))), "tokens", kFix);
}

TokenArray to_array(std::vector<Token> tokens) {
  auto kept = std::make_unique<std::vector<Token>>(std::move(tokens));
  const nb::capsule owner(kept.get(), [](void* pointer) noexcept { delete static_cast<std::vector<Token>*>(pointer); });
  auto* vector = kept.release();
  return TokenArray(vector->data(), {vector->size()}, owner);
}

void add_tokenizer(nb::module_& module) {
  nb::enum_<Specials>(module, "Specials", "What \"<|im_end|>\" inside a text means.")
      .value("AS_TEXT", Specials::kAsText, "Ten characters like any others. For everything that a user or a tool wrote.")
      .value("AS_TOKENS", Specials::kAsTokens, "The control token. For what the model's own chat template wrote.");

  nb::class_<TextPart>(module, "TextPart", "A stretch of one text by one author. A prompt is a list of these.")
      .def(nb::init<std::string, Specials>(), "text"_a, nb::kw_only(), "specials"_a)
      .def_rw("text", &TextPart::text)
      .def_rw("specials", &TextPart::specials)
      .def("__eq__", [](const TextPart& part, const TextPart& other) {
        return part.text == other.text && part.specials == other.specials;
      }, nb::is_operator())
      .def("__repr__", [](const TextPart& part) {
        return "TextPart(" + nb::cast<std::string>(nb::repr(nb::str(part.text.c_str(), part.text.size()))) + ", specials=Specials." +
               (part.specials == Specials::kAsText ? "AS_TEXT" : "AS_TOKENS") + ")";
      });

  nb::class_<Tokenizer>(module, "Tokenizer",
                        "Text to token ids and back. Never changes: any number of threads may share one.")
      .def_static("load", load, "path"_a, "Reads a tokenizer file; the format is told from its content.")
      .def_static("parse", parse, "bytes"_a, nb::kw_only(), "name"_a = "tokenizer", "The same from bytes; `name` stands in errors.")
      .def("save", [](const Tokenizer& tokenizer, const std::filesystem::path& path) {
             const nb::gil_scoped_release released;
             save_tokenizer(tokenizer, path);
           }, "path"_a, "Writes a file that load() maps within milliseconds, whatever file this one was loaded from.")
      .def("encode", encode_text, "text"_a, nb::kw_only(), "specials"_a = Specials::kAsText,
           "Encodes one text by one author to i32 [tokens]; adds no BOS or EOS.")
      .def("encode", encode_prompt, "prompt"_a,
           "Encodes the parts as one text: what a chat template wrote alternates with what a user wrote.")
      .def("decode", decode, "tokens"_a, nb::kw_only(), "specials"_a = Specials::kAsText,
           "The text of the tokens. Control tokens are left out with AS_TEXT, and spelled out with AS_TOKENS.")
      .def_prop_ro("vocab_size", &Tokenizer::vocab_size, "One more than the largest id.")
      .def("piece", [](const Tokenizer& tokenizer, Token token) { return to_str(tokenizer.piece(token)); }, "token"_a,
           "The piece of one id as the vocabulary spells it; \"\" for a hole.")
      .def("find", [](const Tokenizer& tokenizer, const std::string& piece) { return tokenizer.find(piece); }, "piece"_a,
           "The id of a piece as the vocabulary spells it, or None.")
      .def("is_special", &Tokenizer::is_special, "token"_a,
           "Whether `token` is a control token: no text of its own, never made from a user's text.");

  nb::class_<OwningDecoder>(module, "StreamDecoder",
                            "Turns tokens into text one at a time; never gives half a character.")
      .def(nb::init<std::shared_ptr<const Tokenizer>, Specials>(), "tokenizer"_a, nb::kw_only(), "specials"_a = Specials::kAsText)
      .def("push", [](OwningDecoder& self, Token token) { return self.decoder.push(token); }, "token"_a,
           "The text that `token` completes; often \"\" in the middle of a character.")
      .def("finish", [](OwningDecoder& self) { return self.decoder.finish(); },
           "What is still held back. The decoder is then as new.");
}

}  // namespace weft::python
