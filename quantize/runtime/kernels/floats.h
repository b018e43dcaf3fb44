/* Float layers: plain loops over channels, which the compiler vectorizes for each instruction set. */
#define TILE 16

/* The sum (or maximum) of a column of up to three rows, for `n` channels. */
static ALWAYS_INLINE void pool_column(const float *x, int64_t row, int64_t above, int64_t below, float *column, int64_t n, const int max)
{
    for (int64_t c = 0; c < n; ++c)
        column[c] = x[c];
    for (int64_t side = 0; side < 2; ++side) {
        if (!(side ? below : above))
            continue;
        const float *other = x + (side ? row : -row);
        for (int64_t c = 0; c < n; ++c)
            column[c] = max ? (other[c] > column[c] ? other[c] : column[c]) : column[c] + other[c];
    }
}

/* One row of one tile of channels: columns first, middle + above + below, then middle + left + right. */
static ALWAYS_INLINE void pool_tile(const struct floats *f, const float *x, float *y, int64_t above, int64_t below, int64_t n, const int max)
{
    const int64_t pixel = f->channels, row = f->width * pixel;
    const float rows = (float)(1 + above + below);
    float columns[3][TILE];
    float *left = columns[0], *middle = columns[1], *right = columns[2];
    pool_column(x, row, above, below, middle, n, max);
    for (int64_t i = 0; i < f->width; ++i, x += pixel, y += pixel) {
        int64_t has_left = i > 0, has_right = i + 1 < f->width;
        if (has_right)
            pool_column(x + pixel, row, above, below, right, n, max);
        const float *neighbours[2] = {has_left ? left : NULL, has_right ? right : NULL};
        float result[TILE];
        for (int64_t c = 0; c < n; ++c)
            result[c] = middle[c];
        for (int side = 0; side < 2; ++side) {
            const float *other = neighbours[side];
            if (!other)
                continue;
            for (int64_t c = 0; c < n; ++c)
                result[c] = max ? (other[c] > result[c] ? other[c] : result[c]) : result[c] + other[c];
        }
        float share = 1.0f / (rows * (float)(1 + has_left + has_right));
        for (int64_t c = 0; c < n; ++c)
            y[c] = max ? result[c] : result[c] * share;
        float *old = left;
        left = middle;
        middle = right;
        right = old;
    }
}

static ALWAYS_INLINE void pool_rows(const struct floats *f, int64_t first, int64_t last, const int max)
{
    for (int64_t r = first; r < last; ++r) {
        int64_t y = r % f->height, at = r * f->width * f->channels, above = y > 0, below = y + 1 < f->height, c = 0;
        for (; c + TILE <= f->channels; c += TILE)
            pool_tile(f, f->x + at + c, f->y + at + c, above, below, TILE, max);
        if (c < f->channels)
            pool_tile(f, f->x + at + c, f->y + at + c, above, below, f->channels - c, max);
    }
}

static void average_pool(const void *arguments, int64_t first, int64_t last) { pool_rows(arguments, first, last, 0); }
static void max_pool(const void *arguments, int64_t first, int64_t last) { pool_rows(arguments, first, last, 1); }

/* Means over all pixels of an image; images are its rows. */
static void global_pool(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    const int64_t pixels = f->height * f->width, channels = f->channels;
    const float share = 1.0f / (float)pixels;
    for (int64_t image = first; image < last; ++image) {
        const float *x = f->x + image * pixels * channels;
        float *y = f->y + image * channels;
        for (int64_t c = 0; c < channels; ++c)
            y[c] = 0.0f;
        for (int64_t i = 0; i < pixels; ++i, x += channels)
            for (int64_t c = 0; c < channels; ++c)
                y[c] += f->relu && !(x[c] > 0.0f) ? 0.0f : x[c];
        for (int64_t c = 0; c < channels; ++c)
            y[c] *= share;
    }
}

/* y += x * w over the channels of one pixel and tap, then over taps in the order of the window. */
static ALWAYS_INLINE void float_pixel(const struct floats *f, int64_t image, int64_t y, int64_t x, int64_t output, int64_t n)
{
    float sum[TILE];
    for (int64_t o = 0; o < n; ++o)
        sum[o] = 0.0f;
    for (int64_t tap = 0; tap < f->side * f->side; ++tap) {
        int64_t from_y = y + tap / f->side - f->side / 2, from_x = x + tap % f->side - f->side / 2;
        if (from_y < 0 || from_y >= f->height || from_x < 0 || from_x >= f->width)
            continue;
        const float *pixel = f->x + ((image * f->height + from_y) * f->width + from_x) * f->channels;
        const float *w = f->w + tap * f->channels * f->outputs + output;
        for (int64_t c = 0; c < f->channels; ++c, w += f->outputs)
            for (int64_t o = 0; o < n; ++o)
                sum[o] += pixel[c] * w[o];
    }
    float *out = f->y + ((image * f->height + y) * f->width + x) * f->outputs + output;
    for (int64_t o = 0; o < n; ++o)
        out[o] = sum[o] * f->scale[output + o] + f->offset[output + o];
}

static void float_conv(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    for (int64_t r = first; r < last; ++r)
        for (int64_t x = 0; x < f->width; ++x) {
            int64_t output = 0;
            for (; output + TILE <= f->outputs; output += TILE)
                float_pixel(f, r / f->height, r % f->height, x, output, TILE);
            if (output < f->outputs)
                float_pixel(f, r / f->height, r % f->height, x, output, f->outputs - output);
        }
}

static void add(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    const int64_t row = f->width * f->channels;
    for (int64_t i = first * row; i < last * row; ++i)
        f->y[i] = f->x[i] + f->w[i];
}
