/* Vectors of one word, in plain C99: what runs everywhere. avx2.h and the others have the same names. */
#define TABLE kernels_plain
#define LANES 1        /* 32-bit words of a vector */
#define ACCUMULATORS 4 /* vectors that a tile of a convolution sums in */
#define BYTE_VECTORS 1 /* vectors of outputs that a tile of bytes has side by side */
#define BYTE_PIXELS 4  /* pixels of such a tile */
#define FLOAT_VECTORS 1 /* vectors of outputs that a tile of floats has side by side */
#define BYTE_STORE 1   /* vectors of floats whose bytes STORE_MANY_BYTES writes at once; 1: there is none */
#define DIRECT 1       /* POPCOUNT gives 32-bit lanes, which are summed as they are */

typedef uint32_t vector;
typedef float vector_float;

/* Words. LOAD and STORE touch the first n words only, where n < LANES. */
static inline vector LOAD(const uint32_t *p, int64_t n) { (void)n; return *p; }
static inline void STORE(uint32_t *p, vector v, int64_t n) { (void)n; *p = v; }
static inline vector BROADCAST(uint32_t word) { return word; }
static inline vector ZERO(void) { return 0; }
static inline vector NOT(vector a) { return ~a; }
static inline vector AND(vector a, vector b) { return a & b; }
static inline vector OR(vector a, vector b) { return a | b; }
static inline vector XOR(vector a, vector b) { return a ^ b; }
static inline vector XOR3(vector a, vector b, vector c) { return a ^ b ^ c; }
static inline vector MAJORITY(vector a, vector b, vector c) { return (a & b) | (c & (a | b)); }
/* The borrow of a - b - borrow. */
static inline vector BORROW(vector a, vector b, vector borrow) { return (~a & (b | borrow)) | (b & borrow); }
/* a & (b ^ c), a & ~(b ^ c), mask ? a : b */
static inline vector AND_XOR(vector a, vector b, vector c) { return a & (b ^ c); }
static inline vector AND_XNOR(vector a, vector b, vector c) { return a & ~(b ^ c); }
static inline vector SELECT(vector mask, vector a, vector b) { return (a & mask) | (b & ~mask); }

/* Lanes of int32. */
static inline vector LOAD_LANES(const void *p) { return *(const uint32_t *)p; }
static inline vector PLUS(vector a, vector b) { return a + b; }
static inline vector MINUS(vector a, vector b) { return a - b; }
static inline vector SHIFT(vector a, int n) { return a << n; }
static inline vector POPCOUNT(vector a)
{
    a -= (a >> 1) & 0x55555555u;
    a = (a & 0x33333333u) + ((a >> 2) & 0x33333333u);
    return (((a + (a >> 4)) & 0x0f0f0f0fu) * 0x01010101u) >> 24;
}

/* sum + x . w of four unsigned and four signed bytes. NARROW: two products add up to 16 bits at most. */
static inline vector DOT(vector sum, vector x, vector w)
{
    return sum + (x & 255) * (uint32_t)(int8_t)w + (x >> 8 & 255) * (uint32_t)(int8_t)(w >> 8)
         + (x >> 16 & 255) * (uint32_t)(int8_t)(w >> 16) + (x >> 24) * (uint32_t)(int8_t)(w >> 24);
}
#define DOT_NARROW DOT

/* Floats. */
static inline vector_float TO_FLOAT(vector a) { return (float)(int32_t)a; }
static inline vector_float LOAD_FLOAT(const float *p, int64_t n) { (void)n; return *p; }
static inline void STORE_FLOAT(float *p, vector_float v, int64_t n) { (void)n; *p = v; }
static inline vector_float TIMES_FLOAT(vector_float a, vector_float b) { return a * b; }
static inline vector_float PLUS_FLOAT(vector_float a, vector_float b) { return a + b; }
/* b > a ? b : a */
static inline vector_float LARGER(vector_float a, vector_float b) { return b > a ? b : a; }

/* Compares: bit i is set where lane i of a is above (at least) that of b. */
static inline uint32_t ABOVE(vector_float a, vector_float b) { return a > b; }
static inline uint32_t AT_LEAST(vector_float a, vector_float b) { return a >= b; }
static inline vector_float BROADCAST_FLOAT(float a) { return a; }
/* Writes the first n lanes as bytes, rounded half to even and clipped to [0, levels]. */
static inline void STORE_BYTES(uint8_t *p, vector_float v, float levels, int64_t n)
{
    (void)n;
    v = v > 0.0f ? v : 0.0f;
    v = v < levels ? v : levels;
    *p = (uint8_t)((v + 12582912.0f) - 12582912.0f); /* beyond 2^23 a float has no fraction */
}

/* In every lane a pair of 16-bit integers, from two rows of bytes (or one, and 0); sum + the products of the pairs. */
static inline vector PAIR(const uint8_t *a, const uint8_t *b) { return (uint32_t)*a | (uint32_t)*b << 16; }
static inline vector SINGLE(const uint8_t *a) { return *a; }
static inline vector DOT_PAIR(vector sum, vector x, vector w)
{
    return sum + (x & 0xffff) * (uint32_t)(int16_t)w + (x >> 16) * (uint32_t)(int16_t)(w >> 16);
}
