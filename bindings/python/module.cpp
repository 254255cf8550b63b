#include <exception>

#include "bindings/python/bindings.h"
#include "weft/error.h"

namespace weft::python {
namespace {

void raise_error(const Error& error) {
  const nb::object type = nb::module_::import_("weft.errors").attr("Error");
  const nb::object value = type(nb::str(std::string(to_string(error.code())).c_str()), to_str(error.message()),
                                to_str(error.where()), to_str(error.fix()));
  PyErr_SetObject(type.ptr(), value.ptr());
}

void translate(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    raise_error(error);
  }
}

}  // namespace

nb::str to_str(const std::string& bytes) {
  PyObject* text = PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "backslashreplace");
  if (!text) nb::raise_python_error();
  return nb::steal<nb::str>(text);
}

void refuse(const std::string& message, const std::string& where, const std::string& fix) {
  throw Error(ErrorCode::kInvalidArgument, message, where, fix);
}

}  // namespace weft::python

NB_MODULE(_native, module) {
  using namespace weft::python;
  module.doc() = "What runs models: weft's C++ library. Use it through the package weft.";
  nb::register_exception_translator(translate);
  // In the order in which they mention one another: signatures are made of the classes that exist.
  add_tokenizer(module);
  add_encoding(module);
  add_sampler(module);
  add_chat_template(module);
  add_model(module);
  add_pipeline(module);
}
