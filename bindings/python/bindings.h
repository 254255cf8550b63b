// The Python module weft._native, part by part; each function adds the classes of one public header.
//
// Options are keyword-only, arrays are NumPy's, and the GIL is released while weft works. weft::Error becomes weft.Error
// with the same code and words.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <vector>

#include "weft/token.h"

namespace weft::python {

namespace nb = nanobind;

void add_tokenizer(nb::module_& module);
void add_encoding(nb::module_& module);
void add_sampler(nb::module_& module);
void add_chat_template(nb::module_& module);
void add_model(nb::module_& module);
void add_pipeline(nb::module_& module);

/// Token ids as Python programs hold them: a sequence of int, or a one-dimensional integer array on the CPU.
struct TokenIds {
  nb::object object;
  /// Needs the GIL. @throws Error{kInvalidArgument}  it is something else, or an id doesn't fit into 32 bits.
  [[nodiscard]] std::vector<Token> read() const;
};

using TokenArray = nb::ndarray<nb::numpy, Token, nb::ndim<1>>;
/// Hands `tokens` over to NumPy without a copy.
[[nodiscard]] TokenArray to_array(std::vector<Token> tokens);

/// A str from what should be UTF-8; ill-formed bytes are shown as \xNN.
[[nodiscard]] nb::str to_str(const std::string& bytes);

/// @throws Error{kInvalidArgument}.
[[noreturn]] void refuse(const std::string& message, const std::string& where, const std::string& fix);

}  // namespace weft::python

namespace nanobind::detail {

template <>
struct type_caster<weft::python::TokenIds> {
  NB_TYPE_CASTER(weft::python::TokenIds, const_name("collections.abc.Sequence[int] | numpy.typing.NDArray[numpy.integer]"))
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept {
    value.object = borrow(source);
    return true;
  }
};

}  // namespace nanobind::detail
