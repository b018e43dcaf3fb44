/* Vectors of 128 bits: NEON, on 64-bit ARM. plain.h says what each name means. */
#include <arm_neon.h>

#define TABLE kernels_neon
#define LANES 4
#define ACCUMULATORS 16
#define BYTE_VECTORS 1
#define BYTE_PIXELS 8
#define FLOAT_VECTORS 2
#define BYTE_STORE 1
#define DIRECT 0

typedef uint32x4_t vector;
typedef float32x4_t vector_float;

static inline vector LOAD(const uint32_t *p, int64_t n)
{
    uint32_t lanes[4] = {0, 0, 0, 0};
    if (n >= 4)
        return vld1q_u32(p);
    for (int64_t i = 0; i < n; ++i)
        lanes[i] = p[i];
    return vld1q_u32(lanes);
}
static inline void STORE(uint32_t *p, vector v, int64_t n)
{
    uint32_t lanes[4];
    if (n >= 4) {
        vst1q_u32(p, v);
        return;
    }
    vst1q_u32(lanes, v);
    for (int64_t i = 0; i < n; ++i)
        p[i] = lanes[i];
}
static inline vector BROADCAST(uint32_t word) { return vdupq_n_u32(word); }
static inline vector ZERO(void) { return vdupq_n_u32(0); }
static inline vector NOT(vector a) { return vmvnq_u32(a); }
static inline vector AND(vector a, vector b) { return vandq_u32(a, b); }
static inline vector OR(vector a, vector b) { return vorrq_u32(a, b); }
static inline vector XOR(vector a, vector b) { return veorq_u32(a, b); }
static inline vector SELECT(vector mask, vector a, vector b) { return vbslq_u32(mask, a, b); }
static inline vector XOR3(vector a, vector b, vector c) { return XOR(a, XOR(b, c)); }
static inline vector MAJORITY(vector a, vector b, vector c) { return SELECT(XOR(a, b), c, a); }
static inline vector BORROW(vector a, vector b, vector c) { return SELECT(XOR(a, b), b, c); }
static inline vector AND_XOR(vector a, vector b, vector c) { return AND(a, XOR(b, c)); }
static inline vector AND_XNOR(vector a, vector b, vector c) { return vbicq_u32(a, XOR(b, c)); }

static inline vector LOAD_LANES(const void *p) { return vld1q_u32(p); }
static inline vector PLUS(vector a, vector b) { return vaddq_u32(a, b); }
static inline vector MINUS(vector a, vector b) { return vsubq_u32(a, b); }
static inline vector SHIFT(vector a, int n) { return vshlq_u32(a, vdupq_n_s32(n)); }
static inline vector PLUS_BYTES(vector a, vector b)
{
    return vreinterpretq_u32_u8(vaddq_u8(vreinterpretq_u8_u32(a), vreinterpretq_u8_u32(b)));
}
static inline vector POPCOUNT(vector a) { return vreinterpretq_u32_u8(vcntq_u8(vreinterpretq_u8_u32(a))); }
static inline vector WIDEN(vector a) { return vpaddlq_u16(vpaddlq_u8(vreinterpretq_u8_u32(a))); }

static inline vector DOT(vector sum, vector quads, vector w)
{
    int16x8_t x = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(vreinterpretq_u8_u32(quads))));
    int8x16_t bytes = vreinterpretq_s8_u32(w);
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    int32x4_t a = vmull_s16(vget_low_s16(x), vget_low_s16(low)), b = vmull_s16(vget_low_s16(x), vget_high_s16(low));
    int32x4_t c = vmull_s16(vget_low_s16(x), vget_low_s16(high)), d = vmull_s16(vget_low_s16(x), vget_high_s16(high));
    return PLUS(sum, vreinterpretq_u32_s32(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))));
}

#define DOT_NARROW DOT

static inline vector_float TO_FLOAT(vector a) { return vcvtq_f32_s32(vreinterpretq_s32_u32(a)); }
static inline vector_float LOAD_FLOAT(const float *p, int64_t n)
{
    return vreinterpretq_f32_u32(LOAD((const uint32_t *)(const void *)p, n));
}
static inline void STORE_FLOAT(float *p, vector_float v, int64_t n)
{
    STORE((uint32_t *)(void *)p, vreinterpretq_u32_f32(v), n);
}
static inline vector_float TIMES_FLOAT(vector_float a, vector_float b) { return vmulq_f32(a, b); }
static inline vector_float PLUS_FLOAT(vector_float a, vector_float b) { return vaddq_f32(a, b); }
static inline vector_float LARGER(vector_float a, vector_float b) { return vbslq_f32(vcgtq_f32(b, a), b, a); }

static inline uint32_t lane_bits(vector mask)
{
    const uint32_t places[4] = {1, 2, 4, 8};
    return vaddvq_u32(AND(mask, vld1q_u32(places)));
}
static inline uint32_t ABOVE(vector_float a, vector_float b) { return lane_bits(vcgtq_f32(a, b)); }
static inline uint32_t AT_LEAST(vector_float a, vector_float b) { return lane_bits(vcgeq_f32(a, b)); }
static inline vector_float BROADCAST_FLOAT(float a) { return vdupq_n_f32(a); }
static inline void STORE_BYTES(uint8_t *p, vector_float v, float levels, int64_t n)
{
    v = vbslq_f32(vcgtq_f32(v, vdupq_n_f32(0.0f)), v, vdupq_n_f32(0.0f)); /* what is not a number counts as 0 */
    uint16x4_t words = vmovn_u32(vcvtnq_u32_f32(vminq_f32(v, vdupq_n_f32(levels))));
    uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(p, &bytes, n < 4 ? (size_t)n : 4);
}

static inline uint8x8_t four_bytes(const uint8_t *a)
{
    uint32_t bytes;
    memcpy(&bytes, a, 4);
    return vreinterpret_u8_u32(vdup_n_u32(bytes));
}
static inline vector SINGLE(const uint8_t *a) { return vmovl_u16(vget_low_u16(vmovl_u8(four_bytes(a)))); }
static inline vector PAIR(const uint8_t *a, const uint8_t *b)
{
    return vreinterpretq_u32_u16(vmovl_u8(vzip1_u8(four_bytes(a), four_bytes(b))));
}
static inline vector DOT_PAIR(vector sum, vector x, vector w)
{
    int16x8_t a = vreinterpretq_s16_u32(x), b = vreinterpretq_s16_u32(w);
    int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b)), high = vmull_s16(vget_high_s16(a), vget_high_s16(b));
    return PLUS(sum, vreinterpretq_u32_s32(vpaddq_s32(low, high)));
}
