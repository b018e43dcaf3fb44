#include <string.h>

#include "../runtime.h"
#include "neon.h"

#include "../kernels.h"
