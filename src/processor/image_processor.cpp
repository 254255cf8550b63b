#include "weft/processor.h"
