#include <string.h>

#include "../runtime.h"
#include "avx2.h"

#include "../kernels.h"
