/* Depthwise convolution of bytes. Columns of the window are kept as pairs of rows while the window moves along a row of
 * LANES channels, so that a pixel is loaded and widened once for all columns that it is in. */
static ALWAYS_INLINE void load_column(const struct byte_depthwise *d, const uint8_t *top, vector *column, const int side)
{
    UNROLL for (int pair = 0; pair < side / 2; ++pair)
        column[pair] = PAIR(top + 2 * pair * d->x.row, top + (2 * pair + 1) * d->x.row);
    column[side / 2] = SINGLE(top + (side - 1) * d->x.row);
}

static ALWAYS_INLINE void byte_depthwise_rows(const struct byte_depthwise *d, int64_t first, int64_t last, const int side)
{
    const int pairs = side / 2 + 1;
    for (int64_t r = first; r < last; ++r) {
        int64_t image = r / d->height, y = r % d->height;
        for (int64_t channel = 0; channel < d->channels; channel += LANES) {
            const uint8_t *next = (const uint8_t *)d->x.data + image * d->x.image + (y - side / 2) * d->x.row
                                - side / 2 * d->x.pixel + channel;
            uint8_t *out = (uint8_t *)d->out.data + image * d->out.image + y * d->out.row + channel;
            vector_float scale = LOAD_FLOAT(d->scale + channel, LANES), offset = LOAD_FLOAT(d->offset + channel, LANES);
            vector window[5][3];
            UNROLL for (int dx = 1; dx < side; ++dx, next += d->x.pixel)
                load_column(d, next, window[dx], side);
            for (int64_t x = 0; x < d->width; ++x, next += d->x.pixel, out += d->out.pixel) {
                UNROLL for (int dx = 1; dx < side; ++dx)
                    UNROLL for (int pair = 0; pair < pairs; ++pair)
                        window[dx - 1][pair] = window[dx][pair];
                load_column(d, next, window[side - 1], side);
                vector sum[3] = {ZERO(), ZERO(), ZERO()}; /* several, as one would wait for itself */
                UNROLL for (int dx = 0; dx < side; ++dx)
                    UNROLL for (int pair = 0; pair < pairs; ++pair) {
                        const int16_t *w = d->weights + ((dx * pairs + pair) * d->channels + channel) * 2;
                        sum[pair] = DOT_PAIR(sum[pair], window[dx][pair], LOAD_LANES(w));
                    }
                const vector_float total = TO_FLOAT(PLUS(PLUS(sum[0], sum[1]), sum[2]));
                STORE_BYTES(out, PLUS_FLOAT(TIMES_FLOAT(total, scale), offset), (float)d->levels, LANES);
            }
        }
    }
}

static void byte_depthwise_3(const struct byte_depthwise *d, int64_t a, int64_t b) { byte_depthwise_rows(d, a, b, 3); }
static void byte_depthwise_5(const struct byte_depthwise *d, int64_t a, int64_t b) { byte_depthwise_rows(d, a, b, 5); }

static void byte_depthwise(const void *arguments, int64_t first, int64_t last)
{
    const struct byte_depthwise *d = arguments;
    (d->side == 3 ? byte_depthwise_3 : byte_depthwise_5)(d, first, last);
}
