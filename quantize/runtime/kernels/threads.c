#define _POSIX_C_SOURCE 200809L
#include "threads.h"

#include <pthread.h>
#include <sched.h>

#define MOST_THREADS 64
#define SPINS 4000          /* some microseconds: kernels follow one another within as many */
#define PARTS_OF_A_THREAD 2 /* a job has more parts than threads, so that a thread that comes late leaves little undone */

/* A job is known by its turn. Its parts are claimed by a compare-and-swap of `claimed`: turn << 32 | parts << 16 | next
 * part, where next < parts. The word of a job that is over never has a part left, so what was read of a job before a
 * part of it was claimed is that job's. A job is over when all parts are done, not when all workers have seen it: one
 * that does not get a processor holds up nobody. */
static struct {
    pthread_mutex_t busy, lock; /* busy: held by the caller whose job it is; lock: guards sleeping */
    pthread_cond_t wake;
    int workers, sleeping;
    uint64_t claimed;
    int64_t done, rows;
    kernel run;
    const void *arguments;
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

#define READ(field) __atomic_load_n(&pool.field, __ATOMIC_RELAXED)
#define WRITE(field, value) __atomic_store_n(&pool.field, value, __ATOMIC_RELAXED)

static uint32_t turn_now(void) { return (uint32_t)(__atomic_load_n(&pool.claimed, __ATOMIC_ACQUIRE) >> 32); }

/* Claims and runs parts of the job of a turn until none is left. */
static void run_parts(uint32_t turn)
{
    for (;;) {
        uint64_t claimed = __atomic_load_n(&pool.claimed, __ATOMIC_ACQUIRE);
        const int64_t part = (int64_t)(claimed & 0xffff), parts = (int64_t)(claimed >> 16 & 0xffff), rows = READ(rows);
        const kernel run = READ(run);
        const void *arguments = READ(arguments);
        if (claimed >> 32 != turn || part >= parts)
            return;
        if (!__atomic_compare_exchange_n(&pool.claimed, &claimed, claimed + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        run(arguments, rows * part / parts, rows * (part + 1) / parts);
        __atomic_add_fetch(&pool.done, 1, __ATOMIC_RELEASE);
    }
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static uint32_t wait_for_turn(uint32_t seen)
{
    for (int i = 0; i < SPINS; ++i) {
        if (turn_now() != seen)
            return turn_now();
        pause_briefly();
    }
    pthread_mutex_lock(&pool.lock);
    ++pool.sleeping;
    while (turn_now() == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    --pool.sleeping;
    pthread_mutex_unlock(&pool.lock);
    return turn_now();
}

static void *work(void *unused)
{
    (void)unused;
    for (uint32_t turn = turn_now();; turn = wait_for_turn(turn))
        run_parts(turn);
    return NULL;
}

/* A forked process has none of the threads, and perhaps a lock that one of them held. */
static void forget_workers(void)
{
    pthread_mutex_init(&pool.busy, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.workers = pool.sleeping = 0;
}

static void start_workers(int count)
{
    static int forks_known = 0;
    if (!forks_known)
        forks_known = pthread_atfork(NULL, NULL, forget_workers) == 0;
    while (pool.workers < count && pool.workers < MOST_THREADS) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL))
            return;
        pthread_detach(thread);
        ++pool.workers;
    }
}

void run_rows(kernel run, const void *arguments, int64_t rows, int threads)
{
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if (threads > rows)
        threads = (int)rows;
    if (threads <= 1 || pthread_mutex_trylock(&pool.busy)) {
        run(arguments, 0, rows);
        return;
    }
    start_workers(threads - 1);
    const int64_t wanted = (int64_t)threads * PARTS_OF_A_THREAD, parts = rows < wanted ? rows : wanted;
    const uint32_t turn = turn_now() + 1;
    WRITE(run, run);
    WRITE(arguments, arguments);
    WRITE(rows, rows);
    WRITE(done, 0);
    pthread_mutex_lock(&pool.lock);
    __atomic_store_n(&pool.claimed, (uint64_t)turn << 32 | (uint64_t)parts << 16, __ATOMIC_RELEASE);
    if (pool.sleeping)
        pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    run_parts(turn);
    for (int i = 0; __atomic_load_n(&pool.done, __ATOMIC_ACQUIRE) != parts; ++i)
        if (i < SPINS)
            pause_briefly();
        else
            sched_yield();
    pthread_mutex_unlock(&pool.busy);
}
