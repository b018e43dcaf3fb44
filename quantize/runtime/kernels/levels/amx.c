/* The kernels of levels/avx512.c, and convolutions by tiles. Where the compiler knows no tiles, the table is empty. */
#include <string.h>

#include "../runtime.h"

#ifdef WITHOUT_TILES
const kernel kernels_amx[KERNELS] = {0};
#else
#include "avx512.h"

#undef TABLE
#define TABLE kernels_amx
#define CONV_KERNEL conv_of_tiles
static void conv_of_tiles(const void *arguments, int64_t first, int64_t last);

#include "../kernels.h"
#include "tiles.h"
#endif
