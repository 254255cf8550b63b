// Prints the sets of WEFT_SETS that this processor runs, the best one first: what WEFT_INSTRUCTION_SETS=native asks.
#include <cstdio>

#include "kernels/instruction_sets.h"

int main() {
#define X(set) \
  if (weft::kernels::runs::set()) std::puts(#set);
  WEFT_SETS
#undef X
}
