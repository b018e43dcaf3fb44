/* Vectors of 256 bits: AVX2. plain.h says what each name means. */
#include <immintrin.h>

#define TABLE kernels_avx2
#define LANES 8
#define ACCUMULATORS 8
#define BYTE_VECTORS 2
#define BYTE_PIXELS 4
#define FLOAT_VECTORS 1
#define BYTE_STORE 1
#define DIRECT 0 /* POPCOUNT counts in bytes, WIDEN adds the four bytes of a lane */

typedef __m256i vector;
typedef __m256 vector_float;

static inline __m256i first_lanes(int64_t n)
{
    static const int32_t lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(lanes + (n >= 8 ? 0 : 8 - n)));
}

static inline vector LOAD(const uint32_t *p, int64_t n)
{
    return n >= 8 ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskload_epi32((const int *)p, first_lanes(n));
}
static inline void STORE(uint32_t *p, vector v, int64_t n)
{
    if (n >= 8)
        _mm256_storeu_si256((__m256i *)p, v);
    else
        _mm256_maskstore_epi32((int *)p, first_lanes(n), v);
}
static inline vector BROADCAST(uint32_t word) { return _mm256_set1_epi32((int)word); }
static inline vector ZERO(void) { return _mm256_setzero_si256(); }
static inline vector AND(vector a, vector b) { return _mm256_and_si256(a, b); }
static inline vector OR(vector a, vector b) { return _mm256_or_si256(a, b); }
static inline vector XOR(vector a, vector b) { return _mm256_xor_si256(a, b); }
static inline vector NOT(vector a) { return XOR(a, _mm256_set1_epi32(-1)); }
static inline vector XOR3(vector a, vector b, vector c) { return XOR(a, XOR(b, c)); }
static inline vector MAJORITY(vector a, vector b, vector c) { return OR(AND(a, b), AND(c, XOR(a, b))); }
static inline vector BORROW(vector a, vector b, vector c) { return OR(_mm256_andnot_si256(a, OR(b, c)), AND(b, c)); }
static inline vector AND_XOR(vector a, vector b, vector c) { return AND(a, XOR(b, c)); }
static inline vector AND_XNOR(vector a, vector b, vector c) { return _mm256_andnot_si256(XOR(b, c), a); }
static inline vector SELECT(vector mask, vector a, vector b) { return OR(AND(mask, a), _mm256_andnot_si256(mask, b)); }

static inline vector LOAD_LANES(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline vector PLUS(vector a, vector b) { return _mm256_add_epi32(a, b); }
static inline vector MINUS(vector a, vector b) { return _mm256_sub_epi32(a, b); }
static inline vector SHIFT(vector a, int n) { return _mm256_slli_epi32(a, n); }
static inline vector PLUS_BYTES(vector a, vector b) { return _mm256_add_epi8(a, b); }
static inline vector POPCOUNT(vector a)
{
    const vector counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const vector low = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(counts, AND(a, low)),
                           _mm256_shuffle_epi8(counts, AND(_mm256_srli_epi32(a, 4), low)));
}
static inline vector WIDEN(vector a)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
}

/* maddubs would saturate, so even and odd bytes are multiplied as 16-bit integers. */
static inline vector DOT(vector sum, vector x, vector w)
{
    vector even = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), odd = _mm256_srai_epi16(w, 8);
    vector x_even = AND(x, _mm256_set1_epi16(255)), x_odd = _mm256_srli_epi16(x, 8);
    return PLUS(sum, PLUS(_mm256_madd_epi16(x_even, even), _mm256_madd_epi16(x_odd, odd)));
}
static inline vector DOT_NARROW(vector sum, vector x, vector w)
{
    return PLUS(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
}

static inline vector_float TO_FLOAT(vector a) { return _mm256_cvtepi32_ps(a); }
static inline vector_float LOAD_FLOAT(const float *p, int64_t n)
{
    return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(n));
}
static inline void STORE_FLOAT(float *p, vector_float v, int64_t n)
{
    if (n >= 8)
        _mm256_storeu_ps(p, v);
    else
        _mm256_maskstore_ps(p, first_lanes(n), v);
}
static inline vector_float TIMES_FLOAT(vector_float a, vector_float b) { return _mm256_mul_ps(a, b); }
static inline vector_float PLUS_FLOAT(vector_float a, vector_float b) { return _mm256_add_ps(a, b); }
static inline vector_float LARGER(vector_float a, vector_float b) { return _mm256_max_ps(b, a); }

static inline uint32_t ABOVE(vector_float a, vector_float b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
static inline uint32_t AT_LEAST(vector_float a, vector_float b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}
static inline vector_float BROADCAST_FLOAT(float a) { return _mm256_set1_ps(a); }
static inline void STORE_BYTES(uint8_t *p, vector_float v, float levels, int64_t n)
{
    v = _mm256_min_ps(_mm256_max_ps(v, _mm256_setzero_ps()), _mm256_set1_ps(levels));
    __m256i codes = _mm256_cvtps_epi32(v);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
    uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    memcpy(p, &bytes, n < 8 ? (size_t)n : 8);
}

static inline __m128i eight_bytes(const uint8_t *a) { return _mm_loadl_epi64((const __m128i *)a); }
static inline vector SINGLE(const uint8_t *a) { return _mm256_cvtepu8_epi32(eight_bytes(a)); }
static inline vector PAIR(const uint8_t *a, const uint8_t *b)
{
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(eight_bytes(a), eight_bytes(b)));
}
static inline vector DOT_PAIR(vector sum, vector x, vector w) { return PLUS(sum, _mm256_madd_epi16(x, w)); }
