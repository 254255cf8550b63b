// What et_run and aoti_run do: one prompt through one backend, linked in.
#pragma once

#include "weft/backend.h"

namespace weft::apps {

/// `program MODEL PROMPT [MAX_TOKENS]`: streams the answer to standard output, statistics to standard error.
/// @return  An exit code: 0 done, 1 failed, 2 wrong usage.
int run_one(int argc, char** argv, const Backend& backend);

}  // namespace weft::apps
