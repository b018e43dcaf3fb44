/* Float layers: pools, the stem, the classifier. Vectors are of neighbouring channels or outputs. */
#define FLOAT_PIXELS 8

/* The sum (or maximum) of the rows of one column: the middle one, the one above, the one below. */
static ALWAYS_INLINE vector_float pool_column(
    const float *x, int64_t row, int64_t above, int64_t below, int64_t n, const int max)
{
    vector_float column = LOAD_FLOAT(x, n);
    if (above) {
        vector_float other = LOAD_FLOAT(x - row, n);
        column = max ? LARGER(column, other) : PLUS_FLOAT(column, other);
    }
    if (below) {
        vector_float other = LOAD_FLOAT(x + row, n);
        column = max ? LARGER(column, other) : PLUS_FLOAT(column, other);
    }
    return column;
}

/* One row of a vector of channels: the sum of its column, that on the left, that on the right. */
static ALWAYS_INLINE void pool_row(
    const struct floats *f, const float *x, float *y, int64_t above, int64_t below, int64_t n, const int max)
{
    const int64_t pixel = f->x_pixel, row = f->width * pixel;
    const int64_t rows = 1 + above + below;
    const float inside = 1.0f / (float)(rows * 3), outside = 1.0f / (float)(rows * (f->width > 1 ? 2 : 1));
    vector_float left = BROADCAST_FLOAT(0.0f), middle = pool_column(x, row, above, below, n, max), right = left;
    for (int64_t i = 0; i < f->width; ++i, x += pixel, y += f->channels) {
        const int has_left = i > 0, has_right = i + 1 < f->width;
        vector_float result = middle;
        if (has_right)
            right = pool_column(x + pixel, row, above, below, n, max);
        if (has_left)
            result = max ? LARGER(result, left) : PLUS_FLOAT(result, left);
        if (has_right)
            result = max ? LARGER(result, right) : PLUS_FLOAT(result, right);
        if (!max)
            result = TIMES_FLOAT(result, BROADCAST_FLOAT(has_left && has_right ? inside : outside));
        STORE_FLOAT(y, result, n);
        left = middle;
        middle = right;
    }
}

static ALWAYS_INLINE void pool_rows(const struct floats *f, int64_t first, int64_t last, const int max)
{
    for (int64_t r = first; r < last; ++r) {
        const int64_t y = r % f->height, above = y > 0, below = y + 1 < f->height;
        const float *from = f->x + r * f->width * f->x_pixel;
        float *to = f->y + r * f->width * f->channels;
        for (int64_t c = 0; c < f->channels; c += LANES) {
            const int64_t n = f->channels - c;
            if (n >= LANES && above && below) /* most rows, apart, so that nothing is decided inside */
                pool_row(f, from + c, to + c, 1, 1, LANES, max);
            else
                pool_row(f, from + c, to + c, above, below, n, max);
        }
    }
}

static void average_pool(const void *arguments, int64_t first, int64_t last) { pool_rows(arguments, first, last, 0); }
static void max_pool(const void *arguments, int64_t first, int64_t last) { pool_rows(arguments, first, last, 1); }

/* Means over all pixels of an image; images are its rows. */
static void global_pool(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    const int64_t pixels = f->height * f->width, channels = f->channels;
    const vector_float share = BROADCAST_FLOAT(1.0f / (float)pixels), zero = BROADCAST_FLOAT(0.0f);
    for (int64_t image = first; image < last; ++image)
        for (int64_t c = 0; c < channels; c += LANES) {
            const float *x = f->x + image * pixels * channels + c;
            vector_float sum = zero;
            for (int64_t i = 0; i < pixels; ++i, x += channels) {
                vector_float v = LOAD_FLOAT(x, channels - c);
                sum = PLUS_FLOAT(sum, f->relu ? LARGER(zero, v) : v);
            }
            STORE_FLOAT(f->y + image * channels + c, TIMES_FLOAT(sum, share), channels - c);
        }
}

/* FLOAT_PIXELS pixels of a row from x on, times `beside` vectors of outputs, the last of n lanes. Sums go over the window's
 * taps, in each over the channels. Pixels left and right of the image count as 0, which changes no bit of a sum. */
static ALWAYS_INLINE void float_tile(
    const struct floats *f, int64_t image, int64_t y, int64_t x, int64_t output, int64_t n, const int beside)
{
    static const float zeros[MOST_WINDOW_CHANNELS];
    const int64_t before = f->side / 2;
    vector_float sum[FLOAT_PIXELS][FLOAT_VECTORS];
    UNROLL for (int m = 0; m < FLOAT_PIXELS; ++m)
        UNROLL for (int v = 0; v < beside; ++v)
            sum[m][v] = BROADCAST_FLOAT(0.0f);
    for (int64_t dy = 0; dy < f->side; ++dy) {
        if (y + dy < before || y + dy - before >= f->height)
            continue;
        const float *line = f->x + (image * f->height + y + dy - before) * f->width * f->channels;
        for (int64_t dx = 0; dx < f->side; ++dx) {
            const float *pixel[FLOAT_PIXELS], *w = f->w + (dy * f->side + dx) * f->channels * f->outputs + output;
            UNROLL for (int m = 0; m < FLOAT_PIXELS; ++m) {
                const int64_t from = x + m + dx - before;
                const int there = from >= 0 && from < f->width;
                pixel[m] = there ? line + from * f->channels : f->side > 1 ? zeros : line;
            }
            for (int64_t c = 0; c < f->channels; ++c, w += f->outputs) {
                vector_float weights[FLOAT_VECTORS];
                UNROLL for (int v = 0; v < beside; ++v)
                    weights[v] = LOAD_FLOAT(w + v * LANES, v < beside - 1 ? LANES : n);
                UNROLL for (int m = 0; m < FLOAT_PIXELS; ++m) {
                    const vector_float value = BROADCAST_FLOAT(pixel[m][c]);
                    UNROLL for (int v = 0; v < beside; ++v)
                        sum[m][v] = PLUS_FLOAT(sum[m][v], TIMES_FLOAT(value, weights[v]));
                }
            }
        }
    }
    float *out = f->y + ((image * f->height + y) * f->width + x) * f->outputs + output;
    UNROLL for (int v = 0; v < beside; ++v) {
        const int64_t lanes = v < beside - 1 ? LANES : n, at = v * LANES;
        const vector_float scale = LOAD_FLOAT(f->scale + output + at, lanes);
        const vector_float offset = LOAD_FLOAT(f->offset + output + at, lanes);
        UNROLL for (int m = 0; m < FLOAT_PIXELS; ++m)
            if (x + m < f->width)
                STORE_FLOAT(out + m * f->outputs + at, PLUS_FLOAT(TIMES_FLOAT(sum[m][v], scale), offset), lanes);
    }
}

static void float_conv(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    for (int64_t r = first; r < last; ++r)
        for (int64_t x = 0; x < f->width; x += FLOAT_PIXELS) {
            const int64_t image = r / f->height, y = r % f->height;
            int64_t output = 0;
            for (; output + FLOAT_VECTORS * LANES <= f->outputs; output += FLOAT_VECTORS * LANES)
                float_tile(f, image, y, x, output, LANES, FLOAT_VECTORS);
            for (; output + LANES <= f->outputs; output += LANES)
                float_tile(f, image, y, x, output, LANES, 1);
            if (output < f->outputs)
                float_tile(f, image, y, x, output, f->outputs - output, 1);
        }
}

static ALWAYS_INLINE void add_vector(const struct floats *f, int64_t i, int64_t n, vector_float factor)
{
    STORE_FLOAT(f->y + i, TIMES_FLOAT(PLUS_FLOAT(LOAD_FLOAT(f->x + i, n), LOAD_FLOAT(f->w + i, n)), factor), n);
}

static void add(const void *arguments, int64_t first, int64_t last)
{
    const struct floats *f = arguments;
    const int64_t row = f->width * f->channels;
    const vector_float factor = BROADCAST_FLOAT(*f->scale);
    int64_t i = first * row;
    for (; i + LANES <= last * row; i += LANES)
        add_vector(f, i, LANES, factor);
    if (i < last * row)
        add_vector(f, i, last * row - i, factor);
}
