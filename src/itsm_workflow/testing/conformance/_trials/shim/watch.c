/* Which calls count, what happens at each of them, and the record of them. */
#include "shim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char folders[16][PATH_MAX], only[PATH_MAX];
int shim_folders, shim_kinds, shim_error, shim_unsynced;
static int every_time, record_fd = -1, torn_fd = -1;
static enum act act;
static long nth, calls;
static char struck[PATH_MAX + 64];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---------------------------------------------------------------- the interface for Python */

void shim_arm(const char *where, int of_kinds, int what, int number, long at, int on_and_on, const char *path) {
    shim_folders = 0;
    for (const char *one = where; *one && shim_folders < 16; one += strlen(one) + 1)
        snprintf(folders[shim_folders++], PATH_MAX, "%s", strcmp(one, "/") ? one : "");
    snprintf(only, sizeof only, "%s", path);
    shim_kinds = of_kinds;
    act = (enum act)what;
    shim_error = number;
    nth = at;
    every_time = on_and_on;
    calls = 0;
    torn_fd = -1;
    struck[0] = 0;
}

void shim_disarm(void) { shim_folders = 0; }

void shim_skip_syncs(int skip) { shim_unsynced = skip; }

void shim_record(int descriptor) { record_fd = descriptor; }

long shim_calls(void) { return calls; }

const char *shim_struck(void) { return struck; }

/* ---------------------------------------------------------------- which calls count */

static int starts(const char *path, const char *with) { return !strncmp(path, with, strlen(with)); }

/* Of the devices, only those in shared memory are files. */
static int below(const char *path) {
    if (path[0] != '/' || starts(path, "/proc/") || (starts(path, "/dev/") && !starts(path, "/dev/shm/"))) return 0;
    for (int i = 0; i < shim_folders; i++) {
        char next = starts(path, folders[i]) ? path[strlen(folders[i])] : ' ';
        if (next == '/' || !next) return 1;
    }
    return 0;
}

static int path_of(int descriptor, char *path) {
    char link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

/* The standard streams may lead to files, too. */
int shim_watched(int descriptor, char *path) {
    return shim_folders && descriptor > 2 && descriptor != record_fd && path_of(descriptor, path) && below(path);
}

/* Only the folder is resolved: the name itself may be a link that is to be removed or replaced. */
int shim_watched_name(int at, const char *name, char *path) {
    char given[2 * PATH_MAX], folder[PATH_MAX];
    if (!shim_folders || !name || !*name) return 0;
    int before = errno, found = 0;
    if (name[0] == '/') {
        snprintf(given, sizeof given, "%s", name);
    } else {
        if (at == AT_FDCWD ? !getcwd(folder, sizeof folder) : !path_of(at, folder)) goto end;
        snprintf(given, sizeof given, "%s/%s", folder, name);
    }
    for (size_t length = strlen(given); length > 1 && given[length - 1] == '/'; length--) given[length - 1] = 0;
    char *last = strrchr(given, '/');
    *last = 0;
    if (!realpath(last == given ? "/" : given, folder)) goto end;
    found = snprintf(path, PATH_MAX, "%s/%s", strcmp(folder, "/") ? folder : "", last + 1) < PATH_MAX && below(path);
end:
    errno = before;
    return found;
}

enum act shim_due(enum kind kind, const char *call, const char *path, int descriptor) {
    if (!(kind & shim_kinds) || (only[0] && strcmp(only, path))) return NOTHING;
    pthread_mutex_lock(&mutex);
    calls++;
    enum act now = nth && (calls == nth || (every_time && calls > nth)) ? act : NOTHING;
    if (now == KILL_WITHIN && kind != WRITE) now = KILL_BEFORE;
    if (now == TORN || now == TORN_AT_END) {
        now = kind != WRITE ? FAIL : now == TORN ? SHORT : ALL_BUT_ONE;
        torn_fd = kind == WRITE ? descriptor : -1;
    } else {
        if (kind == WRITE && descriptor == torn_fd) now = FAIL;
        torn_fd = -1;
    }
    if (now != NOTHING && !struck[0]) snprintf(struck, sizeof struck, "%s of %s", call, path);
    pthread_mutex_unlock(&mutex);
    if (now == KILL_BEFORE) kill(getpid(), SIGKILL);
    if (now == STOP) kill(getpid(), SIGSTOP);
    if (now == INTERRUPT) kill(getpid(), SIGINT);
    return now;
}

/* ---------------------------------------------------------------- the record */

uint64_t shim_inode(int descriptor) {
    struct statx found = {0};
    int before = errno;
    syscall(SYS_statx, descriptor, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE, &found);
    errno = before;
    return found.stx_ino;
}

int64_t shim_size(int descriptor) {
    struct statx found = {0};
    int before = errno;
    syscall(SYS_statx, descriptor, "", AT_EMPTY_PATH, STATX_SIZE, &found);
    errno = before;
    return (int64_t)found.stx_size;
}

/* Calls that give a file a name are recorded even if they do not count: what they make is removed after the trial. */
void shim_add(enum kind kind, int failed, uint64_t inode, int64_t at, const char *path, const char *other,
              const void *data, size_t size) {
    if (record_fd < 0 || (kind < MAP && kind && !(kind & (shim_kinds | CREATE | RENAME | LINK)))) return;
    int before = errno;
    int64_t head[7] = {kind, failed, (int64_t)inode, at, (int64_t)strlen(path), (int64_t)strlen(other), (int64_t)size};
    struct iovec parts[4] = {
        {head, sizeof head}, {(void *)path, strlen(path)}, {(void *)other, strlen(other)}, {(void *)data, size}};
    pthread_mutex_lock(&mutex);
    syscall(SYS_writev, record_fd, parts, 4);
    pthread_mutex_unlock(&mutex);
    errno = before;
}

void shim_note(const char *text) { shim_add(NOTE, 0, 0, 0, text, "", "", 0); }
