#include <string.h>

#include "runtime.h"
#include "vector_avx2.h"

#include "kernels.h"
