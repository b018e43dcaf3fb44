/* Quantizes floats and packs them. Half to even is what decides which thresholds belong to the upper level. */
static ALWAYS_INLINE uint32_t threshold_bits(vector_float x, float threshold, int or_equal)
{
    vector_float t = BROADCAST_FLOAT(threshold);
    return or_equal ? AT_LEAST(x, t) : ABOVE(x, t);
}

/* The planes of up to 32 channels. */
static ALWAYS_INLINE void quantize_word(
    const float *x, int64_t channels, float factor, uint32_t *low, uint32_t *high, const int scheme)
{
    uint32_t planes[2] = {0, 0};
    UNROLL for (int64_t c = 0; c < channels; c += LANES) {
        vector_float v = TIMES_FLOAT(LOAD_FLOAT(x + c, channels - c), BROADCAST_FLOAT(factor));
        if (scheme == BINARY) {
            planes[0] |= threshold_bits(v, 0.0f, 1) << c;
        } else if (scheme == ONE_BIT) {
            planes[0] |= threshold_bits(v, 0.5f, 0) << c;
        } else if (scheme == TERNARY) {
            uint32_t negative = ABOVE(BROADCAST_FLOAT(-0.5f), v);
            planes[0] |= (negative | threshold_bits(v, 0.5f, 0)) << c;
            planes[1] |= negative << c;
        } else {
            v = TIMES_FLOAT(v, BROADCAST_FLOAT(3.0f));
            uint32_t second = threshold_bits(v, 1.5f, 1);
            planes[0] |= (threshold_bits(v, 0.5f, 0) ^ second ^ threshold_bits(v, 2.5f, 0)) << c;
            planes[1] |= second << c;
        }
    }
    uint32_t inside = channels < 32 ? ((uint32_t)1 << channels) - 1 : 0xffffffffu;
    *low = planes[0] & inside;
    if (scheme == TERNARY || scheme == TWO_BITS)
        *high = planes[1] & inside;
}

/* Writes the codes of `vectors` vectors of floats, the last of n lanes. */
static ALWAYS_INLINE void quantize_bytes(
    const float *x, uint8_t *out, int64_t n, float factor, float levels, const int vectors)
{
    vector_float v[BYTE_STORE];
    UNROLL for (int i = 0; i < vectors; ++i) {
        v[i] = TIMES_FLOAT(LOAD_FLOAT(x + i * LANES, n), BROADCAST_FLOAT(factor));
        v[i] = TIMES_FLOAT(v[i], BROADCAST_FLOAT(levels));
    }
#if BYTE_STORE > 1
    if (vectors == BYTE_STORE) {
        STORE_MANY_BYTES(out, v, levels);
        return;
    }
#endif
    STORE_BYTES(out, v[0], levels, n);
}

/* The same of `count` floats. */
static ALWAYS_INLINE void quantize_line(const float *x, uint8_t *out, int64_t count, float factor, float levels)
{
    int64_t i = 0;
    for (; BYTE_STORE > 1 && i + BYTE_STORE * LANES <= count; i += BYTE_STORE * LANES)
        quantize_bytes(x + i, out + i, LANES, factor, levels, BYTE_STORE);
    for (; i + LANES <= count; i += LANES)
        quantize_bytes(x + i, out + i, LANES, factor, levels, 1);
    if (i < count)
        quantize_bytes(x + i, out + i, count - i, factor, levels, 1);
}

static ALWAYS_INLINE void quantize_rows(const struct quantize *q, int64_t first, int64_t last, const int scheme)
{
    /* Bytes without gaps are one long pixel a row. */
    const int one_line = scheme == BYTES && q->x_pixel == q->channels && q->out.pixel == q->channels;
    const int64_t pixels = one_line ? 1 : q->width, bytes = one_line ? q->width * q->channels : q->channels;
    for (int64_t r = first; r < last; ++r) {
        const float *x = q->x + r * q->width * q->x_pixel;
        int64_t at = r / q->height * q->out.image + r % q->height * q->out.row;
        for (int64_t i = 0; i < pixels; ++i, x += q->x_pixel, at += q->out.pixel) {
            if (scheme == BYTES) {
                quantize_line(x, (uint8_t *)q->out.data + at, bytes, q->factor, (float)q->levels);
                continue;
            }
            uint32_t *out = (uint32_t *)q->out.data + at;
            for (int64_t c = 0; c < q->channels; c += 32, ++out) {
                int64_t n = q->channels - c < 32 ? q->channels - c : 32;
                if (n == 32) /* apart, so that the compiler unrolls it */
                    quantize_word(x + c, 32, q->factor, out, out + q->out.plane, scheme);
                else
                    quantize_word(x + c, n, q->factor, out, out + q->out.plane, scheme);
            }
        }
    }
}

static void quantize(const void *arguments, int64_t first, int64_t last)
{
    const struct quantize *q = arguments;
    switch (q->scheme) {
    case BINARY: quantize_rows(q, first, last, BINARY); break;
    case ONE_BIT: quantize_rows(q, first, last, ONE_BIT); break;
    case TERNARY: quantize_rows(q, first, last, TERNARY); break;
    case TWO_BITS: quantize_rows(q, first, last, TWO_BITS); break;
    default: quantize_rows(q, first, last, BYTES); break;
    }
}
