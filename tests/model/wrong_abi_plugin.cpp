// The plug-in of some other version of weft.
#include "weft/backend.h"

extern "C" const weft::Backend* weft_backend(const char*) { return nullptr; }
