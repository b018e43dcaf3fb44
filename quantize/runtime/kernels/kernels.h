/* All kernels, of the vectors that were included before. */
#if defined(__GNUC__)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE inline
#endif
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

#include "bit_depthwise.h"
#include "byte_depthwise.h"
#include "conv.h"
#include "elements.h"
#include "floats.h"
#include "quantize.h"

#ifndef CONV_KERNEL
#define CONV_KERNEL conv
#endif

const kernel TABLE[KERNELS] = {
    [QUANTIZE] = quantize,
    [BIT_DEPTHWISE] = bit_depthwise,
    [BYTE_DEPTHWISE] = byte_depthwise,
    [CONV] = CONV_KERNEL,
    [AVERAGE_POOL] = average_pool,
    [MAX_POOL] = max_pool,
    [GLOBAL_POOL] = global_pool,
    [FLOAT_CONV] = float_conv,
    [ADD] = add,
    [FLOAT_DEPTHWISE] = float_depthwise,
    [ACTIVATE] = activate,
    [COPY] = copy,
};
