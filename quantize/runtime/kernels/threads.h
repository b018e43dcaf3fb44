/* A small pool of threads that share the rows of a kernel's output. */
#ifndef QUANTIZE_RUNTIME_THREADS_H
#define QUANTIZE_RUNTIME_THREADS_H

#include "runtime.h"

/* Runs run(arguments, first, last) on parts of [0, rows), and returns when all are done. Where threads can't be started,
 * or the pool is busy for another caller, the calling thread does everything. */
void run_rows(kernel run, const void *arguments, int64_t rows, int threads);

#endif
