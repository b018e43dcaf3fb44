/* Convolutions over all channels: sums of products of codes, then the affine map and the residual.
 *
 * A tile is some pixels times LANES outputs: each lane sums one output, and a word (or four bytes) of a pixel is
 * multiplied with all lanes. Bits: +1 and -1 differ where the xor is 1, so sum = base - (popcount << shift), where base
 * is the number of products for BINARY and the number of an output's +1 weights for ONE_BIT. TERNARY: products that are
 * not zero, less twice the negative ones. TWO_BITS: x0 w0 + 2 x1 w0 - 2 x0 w1 - 4 x1 w1, as w = w0 - 2 w1.
 */
#define MOST_PIXELS 8
#define GROUP 16

/* Output pixels, and where they come from and go to. */
struct place {
    int64_t image, y, x, index;
};

static ALWAYS_INLINE void next_place(const struct conv *c, struct place *p)
{
    ++p->index;
    if (++p->x == c->width) {
        p->x = 0;
        if (++p->y == c->height) {
            p->y = 0;
            ++p->image;
        }
    }
}

/* What padding that counted as -1 has to be made up for with; added to a pixel's sums. */
static vector border_of(const struct conv *c, const struct place *p, int64_t output)
{
    int64_t columns = c->width < 2 * (c->side / 2) + 1 ? c->width : 2 * (c->side / 2) + 1;
    int64_t class = row_class(p->y, c->height, c->side) * columns + row_class(p->x, c->width, c->side);
    return LOAD_LANES(c->border + class * c->groups * GROUP + output);
}

/* Writes the first n outputs of a vector of the pixels of a tile, from y's sums times scale plus offset. */
static ALWAYS_INLINE void finish_floats(const struct conv *c, const struct place *places, int64_t valid, int64_t output,
    const vector *sum, int64_t n, const int pixels)
{
    const vector_float scale = LOAD_FLOAT(c->scale + output, LANES), offset = LOAD_FLOAT(c->offset + output, LANES);
    vector_float y[MOST_PIXELS];
    UNROLL for (int m = 0; m < pixels; ++m)
        y[m] = PLUS_FLOAT(TIMES_FLOAT(TO_FLOAT(sum[m]), scale), offset);
    if (c->residual)
        UNROLL for (int m = 0; m < pixels; ++m) /* past the end, the last pixel again */
            y[m] = PLUS_FLOAT(y[m], LOAD_FLOAT(c->residual + places[m].index * c->y_pixel + output, n));
    if (valid >= pixels) {
        UNROLL for (int m = 0; m < pixels; ++m)
            STORE_FLOAT(c->y + places[m].index * c->y_pixel + output, y[m], n);
        return;
    }
    for (int m = 0; m < valid; ++m)
        STORE_FLOAT(c->y + places[m].index * c->y_pixel + output, y[m], n);
}

/* Writes the outputs [output, output + LANES) of the pixels of a tile. */
static ALWAYS_INLINE void finish(
    const struct conv *c, const struct place *places, int64_t valid, int64_t output, vector *sum, const int pixels)
{
    const int64_t n = c->outputs - output;
    if (n <= 0)
        return;
    if (c->border)
        for (int m = 0; m < pixels; ++m)
            sum[m] = PLUS(sum[m], border_of(c, places + m, output));
    if (c->sums) {
        UNROLL for (int m = 0; m < pixels; ++m)
            if (m < valid)
                STORE((uint32_t *)c->sums + places[m].index * c->outputs + output, sum[m], n);
        return;
    }
    if (n >= LANES) /* apart, so that nothing is decided inside */
        finish_floats(c, places, valid, output, sum, LANES, pixels);
    else
        finish_floats(c, places, valid, output, sum, n, pixels);
}

static ALWAYS_INLINE int accumulators(int scheme) { return scheme == TERNARY ? 2 : scheme == TWO_BITS ? 4 : 1; }

static ALWAYS_INLINE int tile_pixels(int scheme)
{
    int fit = scheme == BYTES ? BYTE_PIXELS : ACCUMULATORS / accumulators(scheme);
    return fit < MOST_PIXELS ? fit : MOST_PIXELS;
}

/* The sums of one step, a word of every plane. With DIRECT 0, sums are of bytes. */
#if DIRECT
#define ADD_COUNT(sum, bits) (sum) = PLUS(sum, POPCOUNT(bits))
#define STEPS_OF_BYTES INT64_MAX
#else
#define ADD_COUNT(sum, bits) (sum) = PLUS_BYTES(sum, POPCOUNT(bits))
#define STEPS_OF_BYTES 31 /* a byte counts up to 8 a step */
#endif

static ALWAYS_INLINE void bit_step(vector *sum, const uint32_t *x, int64_t plane, vector w0, vector w1, const int scheme)
{
    vector x0 = BROADCAST(x[0]);
    if (scheme == BINARY || scheme == ONE_BIT) {
        ADD_COUNT(sum[0], XOR(x0, w0));
        return;
    }
    vector x1 = BROADCAST(x[plane]);
    if (scheme == TERNARY) {
        vector product = AND(x0, w0);
        ADD_COUNT(sum[0], product);
        ADD_COUNT(sum[1], AND_XOR(product, x1, w1));
    } else {
        ADD_COUNT(sum[0], AND(x0, w0));
        ADD_COUNT(sum[1], AND(x1, w0));
        ADD_COUNT(sum[2], AND(x0, w1));
        ADD_COUNT(sum[3], AND(x1, w1));
    }
}

static ALWAYS_INLINE vector bit_sum(const struct conv *c, const vector *sum, int64_t output, const int scheme)
{
    if (scheme == BINARY)
        return MINUS(LOAD_LANES(c->base + output), SHIFT(sum[0], 1));
    if (scheme == ONE_BIT)
        return MINUS(LOAD_LANES(c->base + output), sum[0]);
    if (scheme == TERNARY)
        return MINUS(sum[0], SHIFT(sum[1], 1));
    vector twos = MINUS(sum[1], PLUS(sum[2], SHIFT(sum[3], 1)));
    return PLUS(sum[0], SHIFT(twos, 1));
}

static ALWAYS_INLINE void bit_tile(
    const struct conv *c, const uint32_t *const *x, const struct place *places, int64_t valid, int64_t output, const int scheme)
{
    const int planes = scheme == BINARY || scheme == ONE_BIT ? 1 : 2, pixels = tile_pixels(scheme);
    const int sums = accumulators(scheme);
    const uint32_t *w = (const uint32_t *)c->weights + output / GROUP * c->side * c->span * planes * GROUP + output % GROUP;
    vector total[MOST_PIXELS][4];
    UNROLL for (int m = 0; m < pixels; ++m)
        UNROLL for (int s = 0; s < sums; ++s)
            total[m][s] = ZERO();
    for (int64_t dy = 0; dy < c->side; ++dy) {
        int64_t line = dy * c->line;
        for (int64_t start = 0; start < c->span;) {
            int64_t end = c->span - start > STEPS_OF_BYTES ? start + STEPS_OF_BYTES : c->span;
#if DIRECT
            vector (*part)[4] = total;
#else
            vector part[MOST_PIXELS][4];
            UNROLL for (int m = 0; m < pixels; ++m)
                UNROLL for (int s = 0; s < sums; ++s)
                    part[m][s] = ZERO();
#endif
            for (; start < end; ++start, w += planes * GROUP) {
                vector w0 = LOAD_LANES(w), w1 = planes == 2 ? LOAD_LANES(w + GROUP) : w0;
                UNROLL for (int m = 0; m < pixels; ++m)
                    bit_step(part[m], x[m] + line + start, c->x.plane, w0, w1, scheme);
            }
#if !DIRECT
            UNROLL for (int m = 0; m < pixels; ++m)
                UNROLL for (int s = 0; s < sums; ++s)
                    total[m][s] = PLUS(total[m][s], WIDEN(part[m][s]));
#endif
        }
    }
    vector sum[MOST_PIXELS];
    UNROLL for (int m = 0; m < pixels; ++m)
        sum[m] = bit_sum(c, total[m], output, scheme);
    finish(c, places, valid, output, sum, pixels);
}

static ALWAYS_INLINE const int8_t *byte_weights(const struct conv *c, int64_t output)
{
    return (const int8_t *)c->weights + (output / GROUP * c->side * c->span * GROUP + output % GROUP) * 4;
}

/* `beside` vectors of outputs. */
static ALWAYS_INLINE void byte_tile(
    const struct conv *c, const uint8_t *const *x, const struct place *places, int64_t valid, int64_t output,
    const int beside, const int narrow)
{
    const int pixels = tile_pixels(BYTES);
    const int8_t *w[BYTE_VECTORS];
    vector sum[BYTE_VECTORS][MOST_PIXELS];
    UNROLL for (int g = 0; g < beside; ++g) {
        w[g] = byte_weights(c, output + g * LANES);
        UNROLL for (int m = 0; m < pixels; ++m)
            sum[g][m] = ZERO();
    }
    for (int64_t dy = 0, at = 0; dy < c->side; ++dy)
        for (int64_t i = 0; i < c->span; ++i, at += GROUP * 4) {
            vector weights[BYTE_VECTORS];
            UNROLL for (int g = 0; g < beside; ++g)
                weights[g] = LOAD_LANES(w[g] + at);
            UNROLL for (int m = 0; m < pixels; ++m) {
                uint32_t four;
                memcpy(&four, x[m] + dy * c->line + i * 4, 4);
                vector quad = BROADCAST(four);
                UNROLL for (int g = 0; g < beside; ++g)
                    sum[g][m] = narrow ? DOT_NARROW(sum[g][m], quad, weights[g]) : DOT(sum[g][m], quad, weights[g]);
            }
        }
    UNROLL for (int g = 0; g < beside; ++g)
        finish(c, places, valid, output + g * LANES, sum[g], pixels);
}

static ALWAYS_INLINE void byte_outputs(
    const struct conv *c, const uint8_t *const *x, const struct place *places, int64_t valid, const int narrow)
{
    int64_t output = 0;
    for (; BYTE_VECTORS >= 4 && output + 3 * LANES < c->outputs; output += 4 * LANES)
        byte_tile(c, x, places, valid, output, 4, narrow);
    for (; BYTE_VECTORS >= 2 && output + LANES < c->outputs; output += 2 * LANES)
        byte_tile(c, x, places, valid, output, 2, narrow);
    for (; output < c->outputs; output += LANES)
        byte_tile(c, x, places, valid, output, 1, narrow);
}

static ALWAYS_INLINE void conv_rows(const struct conv *c, int64_t first, int64_t last, const int scheme)
{
    const int pixels = tile_pixels(scheme);
    const int64_t unit = scheme == BYTES ? 1 : 4;
    struct place next = {first / c->height, first % c->height, 0, first * c->width};
    for (int64_t left = (last - first) * c->width; left > 0; left -= pixels) {
        const void *x[MOST_PIXELS];
        struct place places[MOST_PIXELS];
        for (int m = 0; m < pixels; ++m) { /* past the end, the last pixel again */
            places[m] = m < left ? next : places[m - 1];
            x[m] = (const char *)c->x.data
                 + unit * (places[m].image * c->x.image + places[m].y * c->x.row + places[m].x * c->x.pixel);
            next_place(c, &next);
        }
        if (scheme != BYTES) {
            for (int64_t output = 0; output < c->outputs; output += LANES)
                bit_tile(c, (const uint32_t *const *)x, places, left, output, scheme);
            continue;
        }
        if (c->narrow)
            byte_outputs(c, (const uint8_t *const *)x, places, left, 1);
        else
            byte_outputs(c, (const uint8_t *const *)x, places, left, 0);
    }
}

static void conv_BINARY(const struct conv *c, int64_t first, int64_t last) { conv_rows(c, first, last, BINARY); }
static void conv_ONE_BIT(const struct conv *c, int64_t first, int64_t last) { conv_rows(c, first, last, ONE_BIT); }
static void conv_TERNARY(const struct conv *c, int64_t first, int64_t last) { conv_rows(c, first, last, TERNARY); }
static void conv_TWO_BITS(const struct conv *c, int64_t first, int64_t last) { conv_rows(c, first, last, TWO_BITS); }
static void conv_BYTES(const struct conv *c, int64_t first, int64_t last) { conv_rows(c, first, last, BYTES); }

static void conv(const void *arguments, int64_t first, int64_t last)
{
    const struct conv *c = arguments;
    switch (c->scheme) {
    case BINARY: conv_BINARY(c, first, last); break;
    case ONE_BIT: conv_ONE_BIT(c, first, last); break;
    case TERNARY: conv_TERNARY(c, first, last); break;
    case TWO_BITS: conv_TWO_BITS(c, first, last); break;
    default: conv_BYTES(c, first, last); break;
    }
}
