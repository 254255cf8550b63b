// A conversation as Transformers and OpenAI have it, a list of dicts, to weft::Message and back.
#pragma once

#include <nanobind/nanobind.h>

#include <vector>

#include "weft/template.h"

namespace weft::python {

/// @throws Error{kInvalidArgument}  not a dict, or without a role.
[[nodiscard]] Message read_message(nanobind::handle object);
[[nodiscard]] std::vector<Message> read_messages(nanobind::handle list);
[[nodiscard]] nanobind::dict to_dict(const Message& message);

/// Each of the last three is None, or a value for JSON.
[[nodiscard]] RenderOptions render_options(bool add_generation_prompt, nanobind::handle tools, nanobind::handle documents,
                                           nanobind::handle variables);

}  // namespace weft::python
