/* Depthwise convolution of bit planes. One vector of words is LANES * 32 channels of neighbouring pixels at once.
 *
 * The products of each tap are bits. They are summed over the window in counters that are sliced too: counter[i] holds
 * bit i of all channels' counts, so that one logical operation adds for a whole vector. Batch norm and quantizer are
 * thresholds for these counts, compared bit by bit. TERNARY and the others add what keeps counts from being negative:
 * the count of BINARY is that of products +1; else it is (sum of products) + a constant (see quantize/runtime/layers.py).
 */
#define MOST_BITS 8

/* counter += addend, at and above bit `at`; what is carried out of the counter's `bits` is lost. */
static ALWAYS_INLINE void add_bit(vector *counter, int at, int bits, vector addend)
{
    UNROLL for (int i = at; i < bits; ++i) {
        vector carry = AND(counter[i], addend);
        counter[i] = XOR(counter[i], addend);
        addend = carry;
    }
}

/* counter (of 4 bits for side 3, of 5 for side 5) += the number of ones among the taps of one row. */
static ALWAYS_INLINE void count_row(vector *counter, const vector *tap, int side)
{
    const int bits = side == 3 ? 4 : 5;
    vector sum = XOR3(tap[0], tap[1], tap[2]), twos = MAJORITY(tap[0], tap[1], tap[2]);
    if (side == 5) {
        vector more = MAJORITY(sum, tap[3], tap[4]);
        sum = XOR3(sum, tap[3], tap[4]);
        vector fours = MAJORITY(counter[1], twos, more);
        counter[1] = XOR3(counter[1], twos, more);
        add_bit(counter, 2, bits, fours);
        add_bit(counter, 0, bits, sum);
    } else {
        vector carry = AND(counter[0], sum);
        counter[0] = XOR(counter[0], sum);
        vector fours = MAJORITY(counter[1], twos, carry);
        counter[1] = XOR3(counter[1], twos, carry);
        add_bit(counter, 2, bits, fours);
    }
}

/* total (of `bits` bits) += counter << shift, where counter has 4 or 5 bits */
static ALWAYS_INLINE void add_counter(vector *total, int bits, const vector *counter, int side, int shift)
{
    const int end = shift + (side == 3 ? 4 : 5) < bits ? shift + (side == 3 ? 4 : 5) : bits;
    vector carry = AND(total[shift], counter[0]);
    total[shift] = XOR(total[shift], counter[0]);
    UNROLL for (int i = shift + 1; i < end; ++i) {
        vector next = MAJORITY(total[i], counter[i - shift], carry);
        total[i] = XOR3(total[i], counter[i - shift], carry);
        carry = next;
    }
    add_bit(total, end, bits, carry);
}

/* Where total >= threshold, whose bits lie `words` apart. */
static ALWAYS_INLINE vector reaches(const vector *total, int bits, const uint32_t *threshold, int64_t words, int64_t n)
{
    vector borrow = ZERO();
    UNROLL for (int i = 0; i < bits; ++i)
        borrow = BORROW(total[i], LOAD(threshold + i * words, n), borrow);
    return NOT(borrow);
}

/* Bits of the total, as in quantize/runtime/layers.py. */
static ALWAYS_INLINE int total_bits(int scheme, int side)
{
    return scheme == BINARY ? (side == 3 ? 4 : 5) : scheme == TWO_BITS ? (side == 3 ? 7 : 8) : (side == 3 ? 5 : 6);
}

/* The total of a vector of words at x. The planes of the weights are `step` words apart. */
static ALWAYS_INLINE void sum_window(
    const struct bit_depthwise *d, const uint32_t *x, const uint32_t *weights, int64_t step, int64_t n, vector *total,
    const int scheme, const int side)
{
    const int populations = scheme == BINARY ? 1 : scheme == TWO_BITS ? 4 : 2;
    const int64_t planes = scheme == BINARY || scheme == ONE_BIT ? 1 : 2;
    vector count[4][5];
    UNROLL for (int p = 0; p < populations; ++p)
        UNROLL for (int bit = 0; bit < 5; ++bit)
            count[p][bit] = ZERO();
    UNROLL for (int dy = 0; dy < side; ++dy) {
        vector tap[4][5];
        UNROLL for (int dx = 0; dx < side; ++dx) {
            const uint32_t *at = x + (dy - side / 2) * d->x.row + (dx - side / 2) * d->x.pixel;
            const uint32_t *w = weights + (dy * side + dx) * planes * step;
            vector x0 = LOAD(at, n), w0 = LOAD(w, n);
            if (scheme == BINARY) { /* weights are stored inverted */
                tap[0][dx] = XOR(x0, w0);
            } else if (scheme == ONE_BIT) {
                tap[0][dx] = NOT(x0);
                tap[1][dx] = AND(x0, w0);
            } else {
                vector x1 = LOAD(at + d->x.plane, n), w1 = LOAD(w + step, n);
                if (scheme == TERNARY) {
                    vector product = AND(x0, w0);
                    tap[0][dx] = NOT(product);
                    tap[1][dx] = AND_XNOR(product, x1, w1);
                } else {
                    tap[0][dx] = AND(x0, w0);
                    tap[1][dx] = AND(x1, w0);
                    tap[2][dx] = NOT(AND(x0, w1));
                    tap[3][dx] = NOT(AND(x1, w1));
                }
            }
        }
        UNROLL for (int p = 0; p < populations; ++p)
            count_row(count[p], tap[p], side);
    }
    const int bits = total_bits(scheme, side);
    UNROLL for (int bit = 0; bit < bits; ++bit)
        total[bit] = bit < (side == 3 ? 4 : 5) ? count[0][bit] : ZERO();
    UNROLL for (int p = 1; p < populations; ++p)
        add_counter(total, bits, count[p], side, p == 3 ? 2 : 1);
}

static ALWAYS_INLINE void bit_depthwise_rows(
    const struct bit_depthwise *d, int64_t first, int64_t last, const int scheme, const int side)
{
    const int bits = total_bits(scheme, side), compact = LANES == 1 && d->columns > 0;
    const int64_t step = compact ? d->x.pixel : d->words; /* from bit to bit of a threshold */
    const int64_t row = (scheme == TERNARY ? 2 : scheme == TWO_BITS ? 3 : 1) * bits * step;
    for (int64_t r = first; r < last; ++r) {
        int64_t image = r / d->height, y = r % d->height;
        const uint32_t *x = (const uint32_t *)d->x.data + image * d->x.image + y * d->x.row;
        uint32_t *out = (uint32_t *)d->out.data + image * d->out.image + y * d->out.row;
        int64_t class = d->classes > 1 ? row_class(y, d->height, side) : 0;
        for (int64_t i = 0; i < d->words; i += LANES) {
            const int64_t n = d->words - i, at = compact ? i % step : i;
            const uint32_t *threshold = d->thresholds + class * row + at;
            if (compact) {
                int64_t column = d->columns > 1 ? row_class(i / step, d->words / step, side) : 0;
                threshold = d->thresholds + (class * d->columns + column) * row + at;
            }
            vector total[MOST_BITS];
            sum_window(d, x + i, d->weights + at, step, n, total, scheme, side);
            vector flip = LOAD(d->flip + at, n);
            vector passed = reaches(total, bits, threshold, step, n);
            if (scheme == BINARY || scheme == ONE_BIT) {
                STORE(out + i, XOR(passed, flip), n);
                continue;
            }
            vector second = reaches(total, bits, threshold + bits * step, step, n);
            if (scheme == TERNARY) { /* at or above the second threshold, below the first, or zero */
                vector below = NOT(passed);
                STORE(out + i, OR(below, second), n);
                STORE(out + d->out.plane + i, SELECT(flip, second, below), n);
            } else {
                vector third = reaches(total, bits, threshold + 2 * bits * step, step, n);
                STORE(out + i, XOR(XOR3(passed, second, third), flip), n);
                STORE(out + d->out.plane + i, XOR(second, flip), n);
            }
        }
    }
}

#define BIT_DEPTHWISE_OF(scheme)                                                                                        \
    static void bit_depthwise_##scheme(const struct bit_depthwise *d, int64_t first, int64_t last)                     \
    {                                                                                                                  \
        if (d->side == 3)                                                                                              \
            bit_depthwise_rows(d, first, last, scheme, 3);                                                             \
        else                                                                                                           \
            bit_depthwise_rows(d, first, last, scheme, 5);                                                             \
    }
BIT_DEPTHWISE_OF(BINARY)
BIT_DEPTHWISE_OF(ONE_BIT)
BIT_DEPTHWISE_OF(TERNARY)
BIT_DEPTHWISE_OF(TWO_BITS)

static void bit_depthwise(const void *arguments, int64_t first, int64_t last)
{
    const struct bit_depthwise *d = arguments;
    switch (d->scheme) {
    case BINARY: bit_depthwise_BINARY(d, first, last); break;
    case ONE_BIT: bit_depthwise_ONE_BIT(d, first, last); break;
    case TERNARY: bit_depthwise_TERNARY(d, first, last); break;
    default: bit_depthwise_TWO_BITS(d, first, last); break;
    }
}
