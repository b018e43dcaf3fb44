#include <string.h>

#include "runtime.h"
#include "vector_avx512.h"

#include "kernels.h"
