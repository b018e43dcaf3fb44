/* Kernels of low-bit convolutions: what they take, and the table of them that each instruction set fills.
 *
 * Activations of one and two bits are bit planes: words of 32 channels, channel c in bit c % 32 of word c / 32. From
 * three bits on they are bytes. Both are called codes, and lie as image, row, plane, pixel, channel; around an image may
 * be a margin whose codes are zero. Weights have the same schemes; quantize/runtime/layers.py lays them out.
 *
 * Every kernel computes the rows [first, last) of its output, counted over all images, so that rows are what threads
 * share. Integers are exact; of floats, every product and sum is rounded by itself (no fused multiply-add), in the
 * order that quantize/runtime/numpy_kernels.py has. So all instruction sets give the same bits.
 */
#ifndef QUANTIZE_RUNTIME_H
#define QUANTIZE_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* What codes mean. BINARY: 0 is -1, 1 is +1. ONE_BIT: 0 and 1. TERNARY: two planes, "not zero" and "negative".
 * TWO_BITS: two planes, the lower and the higher bit of 0..3. BYTES: 0..levels. */
enum scheme { BINARY, ONE_BIT, TERNARY, TWO_BITS, BYTES };

/* Codes of images. Steps are in words of planes, in bytes of bytes. data is at pixel (0, 0), behind the margin. */
struct codes {
    void *data;
    int64_t image, row, plane, pixel;
};

/* codes = quantized factor * x, of x [batch, height, width, channels] with x_pixel floats from pixel to pixel. */
struct quantize {
    const float *x;
    int64_t batch, height, width, channels, x_pixel;
    struct codes out;
    float factor;
    int32_t scheme, levels;
};

/* Depthwise convolution of bit planes, stride 1, zero padding, followed by thresholds.
 * A row of pixels is `words` words. The margin of x is at least side / 2.
 * weights: [side * side][plane][words]; thresholds: [row class][threshold][bit][words]; flip: [words].
 * There are `classes` row classes: 1, or those of row_class, for padding that is not zero of the scheme.
 * Plain C also takes what is smaller, where columns > 0: weights and flip of the words of one pixel only, and thresholds
 * of these words for each of `columns` column classes: [row class][column class][threshold][bit][words]. */
struct bit_depthwise {
    struct codes x, out;
    int64_t batch, height, words;
    int32_t side, scheme, classes, columns;
    const uint32_t *weights, *thresholds, *flip;
};

/* Depthwise convolution of bytes, stride 1, zero padding: codes = clip(rint(sum * scale + offset), 0, levels).
 * channels is a multiple of 16. weights: pairs of rows of the window, the last with 0: [column][side / 2 + 1][channel][2]. */
struct byte_depthwise {
    struct codes x, out;
    int64_t batch, height, width, channels;
    int32_t side, levels;
    const int16_t *weights;
    const float *scale, *offset;
};

/* Convolution: sums over side * side pixels, then y = float(sum) * scale + offset (+ residual), or the sums themselves.
 * x.row and x.pixel step from one output pixel to the next; a window's rows are `line` apart and `span` words (planes)
 * or quads of bytes long. groups: outputs / 16, rounded up.
 * weights: [group][side * span][plane][16] words, or [group][side * span][16][4] bytes.
 * narrow: the sum of two products of bytes always fits into 16 bits.
 * tiles: the kernel of the tiles of AMX computes it; codes of any scheme count as bytes then: weights are [group][quads of
 * bytes of a window][16][4], a word of bits being 8 quads, and a window has up to MOST_WINDOW_BYTES.
 * base: int32 [groups * 16], of bit planes of one bit. border: int32 [row class][column class][groups * 16], which is
 * added to sums, or NULL. y and residual have y_pixel floats from pixel to pixel, sums
 * `outputs` int32. */
#define MOST_WINDOW_BYTES 4096

struct conv {
    struct codes x;
    int64_t line, span, batch, height, width, outputs, groups, y_pixel;
    int32_t side, scheme, narrow, tiles;
    const void *weights;
    const int32_t *base, *border;
    const float *scale, *offset, *residual;
    float *y;
    int32_t *sums;
};

/* y = unit * (x * factor, rounded and clipped as the kind says), `row` floats a row. LEVELS: to 0..levels; IMAGE: to
 * -128..127; RELU: not rounded, and 0 below 0. */
enum activation { ACTIVATE_RELU, ACTIVATE_BINARY, ACTIVATE_TERNARY, ACTIVATE_LEVELS, ACTIVATE_IMAGE };

struct activate {
    const float *x;
    float *y;
    int64_t row;
    float factor, unit;
    int32_t kind, levels;
};

/* y = x, [height, width, channels] of each image, by steps from image to image, row to row, pixel to pixel. */
struct copy {
    const float *x;
    float *y;
    int64_t height, width, channels, x_image, x_row, x_pixel, y_image, y_row, y_pixel;
};

/* Pools and float layers. x_pixel: of pools, floats from pixel to pixel of x. x [batch, height, width, channels]; w [side, side, channels, outputs] or [channels, outputs];
 * of FLOAT_DEPTHWISE [side, side, channels]; y [batch, height, width, outputs]. A convolution's sums become sum * scale + offset, both [outputs]. ADD: y = (x + w) * *scale.
 * relu: x is max(x, 0) before it is averaged. Convolutions of side > 1 have up to MOST_WINDOW_CHANNELS channels. */
#define MOST_WINDOW_CHANNELS 256

struct floats {
    const float *x, *w, *scale, *offset;
    float *y;
    int64_t batch, height, width, channels, outputs, x_pixel;
    int32_t side, relu;
};

typedef void (*kernel)(const void *arguments, int64_t first, int64_t last);

enum kernel_id { QUANTIZE, BIT_DEPTHWISE, BYTE_DEPTHWISE, CONV, AVERAGE_POOL, MAX_POOL, GLOBAL_POOL, FLOAT_CONV, ADD,
    FLOAT_DEPTHWISE, ACTIVATE, COPY, KERNELS };

extern const kernel kernels_plain[KERNELS], kernels_avx2[KERNELS], kernels_avx512[KERNELS], kernels_amx[KERNELS],
    kernels_neon[KERNELS];

/* The class of a row (or column): rows with the same padding have the same. There are min(height, 2 (side / 2) + 1). */
static inline int64_t row_class(int64_t y, int64_t height, int64_t side)
{
    int64_t before = side / 2, classes = height < 2 * before + 1 ? height : 2 * before + 1;
    int64_t from_end = classes - (height - y);
    return y < before ? y : (from_end > before ? from_end : before);
}

#endif
