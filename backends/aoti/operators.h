// weft's operators, registered with torch.
#pragma once

namespace weft {

/// Does nothing itself: calling it makes a linker keep operators.cpp, which registers when it is loaded.
void register_torch_operators();

}  // namespace weft
