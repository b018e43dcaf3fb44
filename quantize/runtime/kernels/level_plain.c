#include <string.h>

#include "runtime.h"
#include "vector_plain.h"

#include "kernels.h"
