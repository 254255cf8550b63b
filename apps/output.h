// Standard output and standard error of the programs.
#pragma once

#include <string_view>

namespace weft::apps {

/// Thrown where the reader of standard output went away: end quietly.
struct OutputClosed {};

/// Writes to standard output at once, unbuffered. Needs SIGPIPE to be ignored.
/// @throws OutputClosed, Error{kIo} (a full disk).
void write_output(std::string_view text);

/// Writes a line to standard error; failure is ignored, for there is nowhere to tell it.
void write_note(std::string_view line);

}  // namespace weft::apps
