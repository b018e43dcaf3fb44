#include <string.h>

#include "../runtime.h"
#include "avx512.h"

#include "../kernels.h"
