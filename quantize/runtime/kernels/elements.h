/* Float networks, and what moves or rounds floats. The compiler makes vectors of these loops. */

/* Depthwise convolution of floats, stride 1, zero padding: sums go over the window's taps. */
static void float_depthwise(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    const int64_t before = f->side / 2, channels = f->channels;
    for (int64_t r = first; r < last; ++r)
        for (int64_t x = 0; x < f->width; ++x) {
            float *y = f->y + (r * f->width + x) * channels;
            for (int64_t c = 0; c < channels; ++c)
                y[c] = 0.0f;
            for (int64_t dy = 0; dy < f->side; ++dy) {
                const int64_t row = r % f->height + dy - before;
                if (row < 0 || row >= f->height)
                    continue;
                for (int64_t dx = 0; dx < f->side; ++dx) {
                    const int64_t column = x + dx - before;
                    if (column < 0 || column >= f->width)
                        continue;
                    const float *from = f->x + (((r / f->height) * f->height + row) * f->width + column) * channels;
                    const float *w = f->w + (dy * f->side + dx) * channels;
                    for (int64_t c = 0; c < channels; ++c)
                        y[c] += from[c] * w[c];
                }
            }
        }
}

/* Rounds half to even what is below 2^22. */
static ALWAYS_INLINE float rounded(float v) { return (v + 12582912.0f) - 12582912.0f; }

static void activate(const void *arguments, int64_t first, int64_t last)
{
    const struct activate *a = arguments;
    const float factor = a->factor, unit = a->unit, levels = (float)a->levels;
    const float *x = a->x + first * a->row;
    float *y = a->y + first * a->row;
    const int64_t count = (last - first) * a->row;
    for (int64_t i = 0; i < count; ++i) {
        float v = x[i] * factor;
        switch (a->kind) {
        case ACTIVATE_BINARY: v = v >= 0.0f ? 1.0f : -1.0f; break;
        case ACTIVATE_TERNARY: v = (float)(v > 0.5f) - (float)(v < -0.5f); break;
        case ACTIVATE_IMAGE: v = v > -128.0f ? v : -128.0f; v = rounded(v < 127.0f ? v : 127.0f); break;
        case ACTIVATE_LEVELS: v *= levels; v = v > 0.0f ? v : 0.0f; v = rounded(v < levels ? v : levels); break;
        default: v = v > 0.0f ? v : 0.0f; break;
        }
        y[i] = v * unit;
    }
}

static void copy(const void *arguments, int64_t first, int64_t last)
{
    const struct copy *c = arguments;
    for (int64_t r = first; r < last; ++r) {
        const float *x = c->x + r / c->height * c->x_image + r % c->height * c->x_row;
        float *y = c->y + r / c->height * c->y_image + r % c->height * c->y_row;
        for (int64_t i = 0; i < c->width; ++i)
            for (int64_t channel = 0; channel < c->channels; ++channel)
                y[i * c->y_pixel + channel] = x[i * c->x_pixel + channel];
    }
}
