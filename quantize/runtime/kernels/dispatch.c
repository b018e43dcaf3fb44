/* Chooses kernels by what the processor can do, and runs them. The names that quantize/runtime/native.py calls. */
#define _GNU_SOURCE /* syscall */
#include "runtime.h"
#include "threads.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum level { PLAIN, NEON, AVX2, AVX512, AMX, LEVELS };

#if defined(__x86_64__)
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Whether the system lets this process use tile registers. It has to be asked for them, once or more. */
static int tiles_allowed(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    const int request_permission = 0x1023, tile_data = 18;
    return (saved_registers() >> 17 & 3) == 3 && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return 0;
#endif
}

static int x86_level(void)
{
    uint32_t a, b, c, d;
    const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, vnni_vpopcntdq = 1u << 11 | 1u << 14;
    const uint32_t tile_int8 = 1u << 24 | 1u << 25;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27) || (saved_registers() & 6) != 6)
        return PLAIN;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5))
        return PLAIN;
    if ((b & f_dq_bw_vl) != f_dq_bw_vl || (c & vnni_vpopcntdq) != vnni_vpopcntdq || (saved_registers() & 0xe6) != 0xe6)
        return AVX2;
    return kernels_amx[CONV] && (d & tile_int8) == tile_int8 && tiles_allowed() ? AMX : AVX512;
}
#endif

/* Whether this processor has level 0 (plain C), 1 (NEON), 2 (AVX2), 3 (AVX-512 with VPOPCNTDQ and VNNI)
 * or 4 (AMX besides). */
int quantize_runtime_has(int level)
{
#if defined(__x86_64__)
    return level == PLAIN || (level >= AVX2 && level <= x86_level());
#elif defined(__aarch64__)
    return level == PLAIN || level == NEON;
#else
    return level == PLAIN;
#endif
}

static const kernel *table(int level)
{
#if defined(__x86_64__)
    if (level >= AVX2)
        return level == AVX2 ? kernels_avx2 : level == AVX512 ? kernels_avx512 : kernels_amx;
#elif defined(__aarch64__)
    if (level == NEON)
        return kernels_neon;
#endif
    (void)level;
    return kernels_plain;
}

/* Where an input or the output of all images lies, and where that of the image that is computed; bytes of one image. */
struct feed {
    char *images, *memory;
    int64_t bytes;
};

/* Runs `count` kernels one after the other, each on the rows [0, rows[i]), shared by up to `threads` threads. */
void quantize_runtime_run(
    int level, int64_t count, const int32_t *kernels, const void *const *arguments, const int64_t *rows, int threads)
{
    const kernel *all = table(level);
    for (int64_t i = 0; i < count; ++i)
        run_rows(all[kernels[i]], arguments[i], rows[i], threads);
}

/* Runs the kernels for one image after the other, every `step`-th of [first, last): copies `bytes` bytes of each of the
 * images' inputs to where the kernels read them, and of what the last feed names from there to the images' outputs. */
void quantize_runtime_run_images(
    int level, int64_t count, const int32_t *kernels, const void *const *arguments, const int64_t *rows, int threads,
    int64_t inputs, const struct feed *feeds, int64_t first, int64_t last, int64_t step)
{
    const struct feed *output = feeds + inputs;
    for (int64_t image = first; image < last; image += step) {
        for (int64_t i = 0; i < inputs; ++i)
            memcpy(feeds[i].memory, feeds[i].images + image * feeds[i].bytes, (size_t)feeds[i].bytes);
        quantize_runtime_run(level, count, kernels, arguments, rows, threads);
        memcpy(output->images + image * output->bytes, output->memory, (size_t)output->bytes);
    }
}
