/* Wraps calls of the C library: the N-th call that changes a file below a folder fails, or kills the process.
 *
 * Built as a shared object and preloaded. `fault_arm` sets the fault, and `fault_calls` returns the number of calls
 * since then. Calls on other files are passed through.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum act { NOTHING, FAIL, SHORT, KILL_BEFORE, KILL_AFTER };

static char folder[4096];
static enum act act;
static int error, every_time;
static long nth, calls;

void fault_arm(const char *where, int what, int number, long at, int on_and_on) {
    snprintf(folder, sizeof folder, "%s/", where);
    act = (enum act)what;
    error = number;
    nth = at;
    every_time = on_and_on;
    calls = 0;
}

long fault_calls(void) { return calls; }

static int below(const char *path) { return folder[0] && strncmp(path, folder, strlen(folder)) == 0; }

static int watched(int descriptor) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return below(path) || (strlen(folder) == (size_t)length + 1 && strncmp(path, folder, length) == 0);
}

static enum act due(void) {
    calls++;
    if (nth == 0 || (calls != nth && !(every_time && calls > nth))) return NOTHING;
    if (act == KILL_BEFORE) kill(getpid(), SIGKILL);
    return act;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STAND_IN(is_watched, call)                                                                                     \
    enum act now = (is_watched) ? due() : NOTHING;                                                                     \
    if (now == FAIL) {                                                                                                 \
        errno = error;                                                                                                 \
        return -1;                                                                                                     \
    }                                                                                                                  \
    __typeof__(call) result = call;                                                                                    \
    if (now == KILL_AFTER) kill(getpid(), SIGKILL);                                                                    \
    return result;

/* A write of a single byte cannot be short. */
#define PART(count) (now == SHORT && (count) > 1 ? (count) / 2 : (count))

ssize_t write(int fd, const void *data, size_t count) { STAND_IN(watched(fd), REAL(write)(fd, data, PART(count))) }

ssize_t pwrite(int fd, const void *data, size_t count, off_t at) {
    STAND_IN(watched(fd), REAL(pwrite)(fd, data, PART(count), at))
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    STAND_IN(watched(fd), REAL(pwrite64)(fd, data, PART(count), at))
}

int fsync(int fd) { STAND_IN(watched(fd), REAL(fsync)(fd)) }

int fdatasync(int fd) { STAND_IN(watched(fd), REAL(fdatasync)(fd)) }

int ftruncate(int fd, off_t size) { STAND_IN(watched(fd), REAL(ftruncate)(fd, size)) }

int ftruncate64(int fd, off64_t size) { STAND_IN(watched(fd), REAL(ftruncate64)(fd, size)) }

int unlink(const char *path) { STAND_IN(below(path), REAL(unlink)(path)) }

int rename(const char *from, const char *to) { STAND_IN(below(from), REAL(rename)(from, to)) }

int renameat(int a, const char *from, int b, const char *to) { STAND_IN(below(from), REAL(renameat)(a, from, b, to)) }
