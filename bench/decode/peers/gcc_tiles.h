// For llama.cpp with GCC 12 on processors with AMX. GCC's _tile_loadconfig() says that it reads eight bytes: the stores to the other 56
// of the configuration are then dropped as dead, and the first instruction on a tile is illegal.
#pragma once
#if defined(__GNUC__) && !defined(__clang__) && defined(__AMX_TILE__)
#include <immintrin.h>
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(config)))
#endif
