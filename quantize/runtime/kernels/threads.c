#define _POSIX_C_SOURCE 200809L
#include "threads.h"

#include <pthread.h>
#include <sched.h>

#define MOST_THREADS 64
#define SPINS 4000 /* some microseconds: kernels follow one another within as many */

/* What the workers read. `turn` counts the jobs; a worker is done with a job when it has counted itself in `done`. */
static struct {
    pthread_mutex_t busy, lock; /* busy: held by the caller whose job it is; lock: guards sleeping */
    pthread_cond_t wake;
    int workers, sleeping;
    unsigned turn, done;
    kernel run;
    const void *arguments;
    int64_t rows;
    int parts;
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void run_part(int part)
{
    int64_t first = pool.rows * part / pool.parts, last = pool.rows * (part + 1) / pool.parts;
    if (part < pool.parts && first < last)
        pool.run(pool.arguments, first, last);
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static unsigned wait_for_turn(unsigned seen)
{
    for (int i = 0; i < SPINS; ++i) {
        unsigned turn = __atomic_load_n(&pool.turn, __ATOMIC_ACQUIRE);
        if (turn != seen)
            return turn;
        pause_briefly();
    }
    pthread_mutex_lock(&pool.lock);
    ++pool.sleeping;
    while (__atomic_load_n(&pool.turn, __ATOMIC_ACQUIRE) == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    --pool.sleeping;
    pthread_mutex_unlock(&pool.lock);
    return __atomic_load_n(&pool.turn, __ATOMIC_ACQUIRE);
}

/* A worker is started before a job of its own, so the turn it has seen is one less. */
struct start {
    int number;
    unsigned seen;
};
static struct start starts[MOST_THREADS];

static void *work(void *argument)
{
    struct start start = *(struct start *)argument;
    for (unsigned seen = start.seen;;) {
        seen = wait_for_turn(seen);
        run_part(start.number + 1);
        __atomic_add_fetch(&pool.done, 1, __ATOMIC_RELEASE);
    }
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
        starts[pool.workers] = (struct start){pool.workers, pool.turn};
        if (pthread_create(&thread, NULL, work, &starts[pool.workers]))
            return;
        pthread_detach(thread);
        ++pool.workers;
    }
}

void run_rows(kernel run, const void *arguments, int64_t rows, int threads)
{
    if (threads > rows)
        threads = (int)rows;
    if (threads <= 1 || pthread_mutex_trylock(&pool.busy)) {
        run(arguments, 0, rows);
        return;
    }
    start_workers(threads - 1);
    pool.run = run;
    pool.arguments = arguments;
    pool.rows = rows;
    pool.parts = pool.workers + 1 < threads ? pool.workers + 1 : threads;
    __atomic_store_n(&pool.done, 0, __ATOMIC_RELAXED);
    pthread_mutex_lock(&pool.lock);
    __atomic_add_fetch(&pool.turn, 1, __ATOMIC_RELEASE);
    if (pool.sleeping)
        pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    run_part(0);
    for (int i = 0; __atomic_load_n(&pool.done, __ATOMIC_ACQUIRE) != (unsigned)pool.workers; ++i)
        if (i < SPINS)
            pause_briefly();
        else
            sched_yield();
    pthread_mutex_unlock(&pool.busy);
}
