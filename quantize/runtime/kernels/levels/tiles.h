/* Convolutions by AMX: a tile register is 16 rows of 64 bytes, an instruction multiplies 16 pixels with 16 outputs, 64
 * products each. Codes of one and two bits become bytes on the way in.
 *
 * A block is up to 16 pixels. Their windows are rows of a matrix, of which the quads of bytes [16 k, 16 k + 16) are tile
 * number k, the last perhaps narrower; it is multiplied with up to BESIDE groups of outputs. */
#define BESIDE 4
#define ROWS 16
#define QUADS 16 /* of a row of a tile */

/* Numbers of the tile registers; sums are in 0 to 3. */
#define PIXELS 4
#define LAST_PIXELS 5
#define WEIGHTS 6
#define LAST_WEIGHTS 7

struct tiles {
    int64_t quads, step; /* of a window, and bytes from window to window */
    const uint8_t *windows;
};

static void configure(int rows, int last_quads)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
        config.bytes[tile] = 64;
        config.rows[tile] = (uint8_t)(tile < WEIGHTS ? rows : QUADS);
    }
    config.bytes[LAST_PIXELS] = (uint16_t)(last_quads * 4);
    config.rows[LAST_WEIGHTS] = (uint8_t)last_quads;
    _tile_loadconfig(&config);
}

/* 64 codes of one and two bits as bytes: the values that they stand for. */
static ALWAYS_INLINE __m512i bytes_of(const uint32_t *x, int64_t plane, int64_t words, const int scheme)
{
    uint64_t low = x[0], high = 0;
    if (words > 1)
        low |= (uint64_t)x[1] << 32;
    if (scheme == TERNARY || scheme == TWO_BITS) {
        high = x[plane];
        if (words > 1)
            high |= (uint64_t)x[plane + 1] << 32;
    }
    const __m512i one = _mm512_set1_epi8(1);
    if (scheme == BINARY)
        return _mm512_mask_blend_epi8(low, _mm512_set1_epi8(-1), one);
    if (scheme == ONE_BIT)
        return _mm512_maskz_mov_epi8(low, one);
    if (scheme == TERNARY)
        return _mm512_mask_mov_epi8(_mm512_maskz_mov_epi8(low, one), high, _mm512_set1_epi8(-1));
    return _mm512_or_si512(_mm512_maskz_mov_epi8(low, one), _mm512_maskz_mov_epi8(high, _mm512_set1_epi8(2)));
}

/* Writes the window of a pixel as bytes. What follows it, up to a whole vector, may be written too. */
static ALWAYS_INLINE void copy_window(const struct conv *c, const struct place *p, uint8_t *to, const int scheme)
{
    const int64_t at = p->image * c->x.image + p->y * c->x.row + p->x * c->x.pixel;
    for (int64_t dy = 0; dy < c->side; ++dy) {
        if (scheme == BYTES) {
            memcpy(to, (const uint8_t *)c->x.data + at + dy * c->line, (size_t)c->span * 4);
            to += c->span * 4;
            continue;
        }
        const uint32_t *x = (const uint32_t *)c->x.data + at + dy * c->line;
        for (int64_t i = 0; i < c->span; i += 2)
            _mm512_storeu_si512(to + i * 32, bytes_of(x + i, c->x.plane, c->span - i, scheme));
        to += c->span * 32;
    }
}

static ALWAYS_INLINE void block_of(const struct conv *c, const struct tiles *t, int64_t output, int32_t *sums,
    const int beside, const int scheme)
{
    const int64_t whole = t->quads / QUADS, group = t->quads * GROUP * 4;
    const int8_t *w = (const int8_t *)c->weights + output / GROUP * group;
    const uint8_t *x = t->windows;
    /* Codes of BINARY and TERNARY have signs. Registers are named by numbers that the compiler knows. */
#define MULTIPLY(sum, pixels, weights, at)                                                                             \
    if (beside > sum) {                                                                                                \
        _tile_loadd(weights, at + sum * group, 64);                                                                    \
        if (scheme == BINARY || scheme == TERNARY)                                                                     \
            _tile_dpbssd(sum, pixels, weights);                                                                        \
        else                                                                                                           \
            _tile_dpbusd(sum, pixels, weights);                                                                        \
    }
#define MULTIPLY_ALL(pixels, weights, at)                                                                              \
    MULTIPLY(0, pixels, weights, at)                                                                                   \
    MULTIPLY(1, pixels, weights, at)                                                                                   \
    MULTIPLY(2, pixels, weights, at)                                                                                   \
    MULTIPLY(3, pixels, weights, at)
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < whole; ++k, x += QUADS * 4, w += QUADS * GROUP * 4) {
        _tile_loadd(PIXELS, x, t->step);
        MULTIPLY_ALL(PIXELS, WEIGHTS, w)
    }
    if (t->quads % QUADS) {
        _tile_loadd(LAST_PIXELS, x, t->step);
        MULTIPLY_ALL(LAST_PIXELS, LAST_WEIGHTS, w)
    }
    _tile_stored(0, sums, 64);
    if (beside > 1)
        _tile_stored(1, sums + ROWS * GROUP, 64);
    if (beside > 2)
        _tile_stored(2, sums + 2 * ROWS * GROUP, 64);
    if (beside > 3)
        _tile_stored(3, sums + 3 * ROWS * GROUP, 64);
}

/* Writes `beside` groups of outputs of the rows [skip, rows) of a block: what `finish` does, pixel by pixel. */
static ALWAYS_INLINE void finish_groups(const struct conv *c, const struct place *places, int skip, int rows,
    int64_t output, const int32_t *sums, const int beside)
{
    vector_float scale[BESIDE], offset[BESIDE];
    const int64_t last = c->outputs - output - (beside - 1) * GROUP;
    const __mmask16 lanes = first_lanes(last);
    UNROLL for (int g = 0; g < beside; ++g) {
        scale[g] = LOAD_FLOAT(c->scale + output + g * GROUP, LANES);
        offset[g] = LOAD_FLOAT(c->offset + output + g * GROUP, LANES);
    }
    for (int m = skip; m < rows; ++m) {
        const int64_t at = places[m].index * c->y_pixel + output;
        UNROLL for (int g = 0; g < beside; ++g) {
            const vector sum = LOAD_LANES(sums + (g * ROWS + m) * GROUP);
            vector_float y = PLUS_FLOAT(TIMES_FLOAT(TO_FLOAT(sum), scale[g]), offset[g]);
            const __mmask16 mask = g < beside - 1 ? 0xffff : lanes;
            if (c->residual)
                y = PLUS_FLOAT(y, _mm512_maskz_loadu_ps(mask, c->residual + at + g * GROUP));
            _mm512_mask_storeu_ps(c->y + at + g * GROUP, mask, y);
        }
    }
}

/* As `finish_groups`, where sums are corrected, or the result. */
static void finish_others(
    const struct conv *c, const struct place *places, int skip, int rows, int64_t output, const int32_t *sums)
{
    for (int64_t g = 0; g < BESIDE; ++g)
        for (int m = skip; m < rows; m += MOST_PIXELS) {
            vector sum[MOST_PIXELS];
            const int valid = rows - m;
            for (int i = 0; i < MOST_PIXELS; ++i)
                sum[i] = LOAD_LANES(sums + (g * ROWS + (i < valid ? m + i : m)) * GROUP);
            finish(c, places + m, valid, output + g * GROUP, sum, MOST_PIXELS);
        }
}

/* All outputs of the pixels of a block, of which those before `skip` are there already. */
static ALWAYS_INLINE void block(
    const struct conv *c, const struct tiles *t, const struct place *places, int skip, int rows, const int scheme)
{
    int32_t sums[BESIDE * ROWS * GROUP] __attribute__((aligned(64)));
    for (int64_t output = 0; output < c->outputs; output += BESIDE * GROUP) {
        const int64_t left = (c->outputs - output + GROUP - 1) / GROUP;
        switch (left) {
        case 1: block_of(c, t, output, sums, 1, scheme); break;
        case 2: block_of(c, t, output, sums, 2, scheme); break;
        case 3: block_of(c, t, output, sums, 3, scheme); break;
        default: block_of(c, t, output, sums, 4, scheme); break;
        }
        if (c->border || c->sums)
            finish_others(c, places, skip, rows, output, sums);
        else if (left >= BESIDE)
            finish_groups(c, places, skip, rows, output, sums, BESIDE);
        else
            for (int64_t g = 0; g < left; ++g)
                finish_groups(c, places, skip, rows, output + g * GROUP, sums + g * ROWS * GROUP, 1);
    }
}

static ALWAYS_INLINE void conv_tiles(const struct conv *c, int64_t first, int64_t last, const int scheme)
{
    const int64_t pixels = (last - first) * c->width, blocks = (pixels + ROWS - 1) / ROWS;
    if (blocks == 0)
        return;
    const int rows = (int)((pixels + blocks - 1) / blocks); /* of all blocks; the last begins earlier rather than end late */
    const int64_t quads = c->side * c->span * (scheme == BYTES ? 1 : 8);
    /* Where windows lie in a line already, they are read from there. */
    const int there = scheme == BYTES && c->side == 1 && c->x.row == c->width * c->x.pixel
                   && (c->x.image == c->height * c->x.row || first / c->height == (last - 1) / c->height);
    uint8_t windows[ROWS * MOST_WINDOW_BYTES + 64] __attribute__((aligned(64)));
    struct tiles t = {quads, (quads * 4 + 63) / 64 * 64, windows};
    struct place places[ROWS + MOST_PIXELS], next = {first / c->height, first % c->height, 0, first * c->width};
    if (there)
        t.step = c->x.pixel;
    configure(rows, (int)(quads % QUADS ? quads % QUADS : QUADS));
    for (int64_t done = 0; done < pixels; done += rows) {
        const int skip = done + rows > pixels ? (int)(done + rows - pixels) : 0;
        if (skip)
            memmove(places, places + rows - skip, (size_t)skip * sizeof *places);
        for (int m = skip; m < rows; ++m) {
            places[m] = next;
            next_place(c, &next);
        }
        for (int m = rows; m < ROWS + MOST_PIXELS; ++m)
            places[m] = places[rows - 1];
        if (there)
            t.windows = (const uint8_t *)c->x.data + places[0].image * c->x.image + places[0].y * c->x.row
                      + places[0].x * c->x.pixel;
        else
            for (int m = 0; m < rows; ++m)
                copy_window(c, places + m, windows + m * t.step, scheme);
        block(c, &t, places, skip, rows, scheme);
    }
    _tile_release();
}

static void conv_of_tiles(const void *arguments, int64_t first, int64_t last)
{
    const struct conv *c = arguments;
    if (!c->tiles) {
        conv(arguments, first, last);
        return;
    }
    switch (c->scheme) {
    case BINARY: conv_tiles(c, first, last, BINARY); break;
    case ONE_BIT: conv_tiles(c, first, last, ONE_BIT); break;
    case TERNARY: conv_tiles(c, first, last, TERNARY); break;
    case TWO_BITS: conv_tiles(c, first, last, TWO_BITS); break;
    default: conv_tiles(c, first, last, BYTES); break;
    }
}
