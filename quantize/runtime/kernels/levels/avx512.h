/* Vectors of 512 bits: AVX-512 F, BW, DQ, VL, VPOPCNTDQ, VNNI. plain.h says what each name means. */
#include <immintrin.h>

#define TABLE kernels_avx512
#define LANES 16
#define ACCUMULATORS 16
#define BYTE_VECTORS 4
#define BYTE_PIXELS 6
#define FLOAT_VECTORS 3
#define BYTE_STORE 4
#define DIRECT 1

typedef __m512i vector;
typedef __m512 vector_float;

static inline __mmask16 first_lanes(int64_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }

static inline vector LOAD(const uint32_t *p, int64_t n) { return _mm512_maskz_loadu_epi32(first_lanes(n), p); }
static inline void STORE(uint32_t *p, vector v, int64_t n) { _mm512_mask_storeu_epi32(p, first_lanes(n), v); }
static inline vector BROADCAST(uint32_t word) { return _mm512_set1_epi32((int)word); }
static inline vector ZERO(void) { return _mm512_setzero_si512(); }
static inline vector NOT(vector a) { return _mm512_ternarylogic_epi32(a, a, a, 0x0f); }
static inline vector AND(vector a, vector b) { return _mm512_and_si512(a, b); }
static inline vector OR(vector a, vector b) { return _mm512_or_si512(a, b); }
static inline vector XOR(vector a, vector b) { return _mm512_xor_si512(a, b); }
static inline vector XOR3(vector a, vector b, vector c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
static inline vector MAJORITY(vector a, vector b, vector c) { return _mm512_ternarylogic_epi32(a, b, c, 0xe8); }
static inline vector BORROW(vector a, vector b, vector c) { return _mm512_ternarylogic_epi32(a, b, c, 0x8e); }
static inline vector AND_XOR(vector a, vector b, vector c) { return _mm512_ternarylogic_epi32(a, b, c, 0x60); }
static inline vector AND_XNOR(vector a, vector b, vector c) { return _mm512_ternarylogic_epi32(a, b, c, 0x90); }
static inline vector SELECT(vector mask, vector a, vector b) { return _mm512_ternarylogic_epi32(mask, a, b, 0xca); }

static inline vector LOAD_LANES(const void *p) { return _mm512_loadu_si512(p); }
static inline vector PLUS(vector a, vector b) { return _mm512_add_epi32(a, b); }
static inline vector MINUS(vector a, vector b) { return _mm512_sub_epi32(a, b); }
static inline vector SHIFT(vector a, int n) { return _mm512_slli_epi32(a, n); }
static inline vector POPCOUNT(vector a) { return _mm512_popcnt_epi32(a); }

static inline vector DOT(vector sum, vector x, vector w) { return _mm512_dpbusd_epi32(sum, x, w); }
#define DOT_NARROW DOT

static inline vector_float TO_FLOAT(vector a) { return _mm512_cvtepi32_ps(a); }
static inline vector_float LOAD_FLOAT(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
static inline void STORE_FLOAT(float *p, vector_float v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
static inline vector_float TIMES_FLOAT(vector_float a, vector_float b) { return _mm512_mul_ps(a, b); }
static inline vector_float PLUS_FLOAT(vector_float a, vector_float b) { return _mm512_add_ps(a, b); }
static inline vector_float LARGER(vector_float a, vector_float b) { return _mm512_max_ps(b, a); }

static inline uint32_t ABOVE(vector_float a, vector_float b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static inline uint32_t AT_LEAST(vector_float a, vector_float b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline vector_float BROADCAST_FLOAT(float a) { return _mm512_set1_ps(a); }
static inline void STORE_BYTES(uint8_t *p, vector_float v, float levels, int64_t n)
{
    v = _mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(levels));
    __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)); /* storing while converting is slow on some processors */
    if (n >= 16)
        _mm_storeu_si128((__m128i *)p, bytes);
    else
        _mm_mask_storeu_epi8(p, first_lanes(n), bytes);
}

static inline void STORE_MANY_BYTES(uint8_t *p, const vector_float *v, float levels)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i codes[4];
    for (int i = 0; i < 4; ++i) /* the last pack makes 0 of what is below it, and of what is not a number */
        codes[i] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(levels), v[i]));
    const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(codes[0], codes[1]), _mm512_packs_epi32(codes[2], codes[3]));
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
}

static inline vector SINGLE(const uint8_t *a) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)a)); }
static inline vector PAIR(const uint8_t *a, const uint8_t *b) { return OR(SINGLE(a), SHIFT(SINGLE(b), 16)); }
static inline vector DOT_PAIR(vector sum, vector x, vector w) { return _mm512_dpwssd_epi32(sum, x, w); }
