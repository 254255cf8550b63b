// Runs the export package, which is Python.
#pragma once

#include <string>
#include <vector>

namespace weft::apps {

enum class ChildOutput {
  kAsOurs,
  kToStderr,  ///< Our standard output is for an answer.
};

/// Runs `python -m weft.export` with `arguments` and waits for it; Ctrl-C reaches it, not us.
///
/// The Python is $WEFT_PYTHON, else that of the source tree's .venv, else python3. It finds the source tree's package
/// if there is one, and this program's path in WEFT_BIN.
/// @return  Its exit code; 128 + n if signal n ended it.
/// @throws Error{kNotFound}  no Python.
int run_export(const std::vector<std::string>& arguments, ChildOutput output);

}  // namespace weft::apps
