#include <string.h>

#include "../runtime.h"
#include "plain.h"

#include "../kernels.h"
