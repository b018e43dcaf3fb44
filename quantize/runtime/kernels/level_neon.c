#include <string.h>

#include "runtime.h"
#include "vector_neon.h"

#include "kernels.h"
