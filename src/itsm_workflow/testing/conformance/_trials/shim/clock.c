/* Skips the sleeps of a process in which this shared object is preloaded: its clocks advance instead.
 *
 * So a time-out of half a minute passes in milliseconds, for instance that of a lock which another process holds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&name) found;                                                                                \
        if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                \
        found;                                                                                                         \
    })

#define BILLION 1000000000LL

static int fast;
static int64_t ahead;
static int64_t stands_at;
/* A skipped sleep takes longer than was asked for, so that a wait for a lock that polls often ends soon. */
static const int64_t longer = 50;

void shim_skip_sleeps(int skip) { fast = skip; }

/* The wall clock stands still at this second. */
void shim_set_clock(long seconds) { stands_at = seconds; }

static int64_t nanoseconds(const struct timespec *time) { return time->tv_sec * BILLION + time->tv_nsec; }

static struct timespec shifted(const struct timespec *time, int64_t by) {
    int64_t all = nanoseconds(time) + by;
    if (all < 0) all = 0;
    return (struct timespec){all / BILLION, all % BILLION};
}

static void slept(int64_t asked) {
    if (asked > 0) __atomic_fetch_add(&ahead, asked * longer, __ATOMIC_SEQ_CST);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime)(clock, now);
    if (!result && stands_at && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        *now = (struct timespec){stands_at, 0};
        return 0;
    }
    if (!result && ahead && clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID)
        *now = shifted(now, ahead);
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    *now = (struct timeval){exact.tv_sec, exact.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *place) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (place) *place = exact.tv_sec;
    return exact.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *asked, struct timespec *rest) {
    if (!fast) return REAL(clock_nanosleep)(clock, flags, asked, rest);
    struct timespec now = {0, 0};
    if (flags & TIMER_ABSTIME) clock_gettime(clock, &now);
    slept(nanoseconds(asked) - nanoseconds(&now));
    return 0;
}

int nanosleep(const struct timespec *asked, struct timespec *rest) {
    if (!fast) return REAL(nanosleep)(asked, rest);
    slept(nanoseconds(asked));
    return 0;
}

int usleep(useconds_t asked) {
    if (!fast) return REAL(usleep)(asked);
    slept(asked * 1000LL);
    return 0;
}

unsigned sleep(unsigned asked) {
    if (!fast) return REAL(sleep)(asked);
    slept(asked * BILLION);
    return 0;
}

int select(int count, fd_set *r, fd_set *w, fd_set *x, struct timeval *asked) {
    if (!fast || r || w || x || !asked) return REAL(select)(count, r, w, x, asked);
    slept(asked->tv_sec * BILLION + asked->tv_usec * 1000LL);
    return 0;
}

/* Waits of threads end at a time of the shifted clocks. */
#define UNTIL(call, ...)                                                                                               \
    struct timespec end = shifted(until, -ahead);                                                                      \
    return REAL(call)(__VA_ARGS__);

int sem_timedwait(sem_t *s, const struct timespec *until) { UNTIL(sem_timedwait, s, &end) }
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until) {
    UNTIL(pthread_cond_timedwait, c, m, &end)
}
int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until) {
    UNTIL(pthread_mutex_timedlock, m, &end)
}

#ifdef __GLIBC__
int sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until) { UNTIL(sem_clockwait, s, clock, &end) }
int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock, const struct timespec *until) {
    UNTIL(pthread_cond_clockwait, c, m, clock, &end)
}
#endif
