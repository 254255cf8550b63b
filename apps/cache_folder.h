// Where `weft` keeps what it makes for the user: models by name, the history of what was typed.
#pragma once

#include <filesystem>

namespace weft::apps {

/// $WEFT_CACHE, else $XDG_CACHE_HOME/weft, else ~/.cache/weft; it need not exist yet.
/// @throws Error{kNotFound}  none of the three is set.
[[nodiscard]] std::filesystem::path cache_folder();

/// Makes `folder`, which lies in the cache folder, if it isn't there.
/// @throws Error{kIo}  it can't be made, or not be written.
void make_cache_folder(const std::filesystem::path& folder);

}  // namespace weft::apps
