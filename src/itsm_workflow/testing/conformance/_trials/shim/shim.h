/* The parts of the shim that its files share.
 *
 * The shim wraps calls of the C library, for a process in which it is preloaded. Each call on a file below the given
 * folders is counted and recorded, and one of them can fail, be cut short, or stop or kill the process. Calls on other
 * files pass through. What a library changes through a memory map, by stdio or by system calls of its own is not seen.
 *
 * The numbers of `enum kind` and `enum act` are those of `calls.py`.
 */
#ifndef SHIM_H
#define SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ < 8
#error "the system calls here take an offset of 64 bits in one register"
#endif

enum kind {
    NOTE = 0,
    WRITE = 1,
    SYNC = 2,
    TRUNCATE = 4,
    UNLINK = 8,
    RENAME = 16,
    CREATE = 32,
    LINK = 64,
    CLOSE = 128,
    OPEN = 256,
    READ = 512,
    STAT = 1024,
    LOCK = 2048,
    MAP = 4096,
    FLUSH_MAP = 8192,
    IMPLIED_SYNC = 16384
};

enum act {
    NOTHING,
    FAIL,
    SHORT,
    KILL_BEFORE,
    KILL_AFTER,
    TORN,
    STOP,
    TORN_AT_END,
    KILL_WITHIN,
    ALL_BUT_ONE,
    INTERRUPT
};

/* Hidden, so that no library's name is taken. */
#pragma GCC visibility push(hidden)
extern int shim_folders, shim_kinds, shim_error, shim_unsynced;
int shim_watched(int descriptor, char *path);
int shim_watched_name(int at, const char *name, char *path);
enum act shim_due(enum kind kind, const char *call, const char *path, int descriptor);
uint64_t shim_inode(int descriptor);
int64_t shim_size(int descriptor);
void shim_add(enum kind kind, int failed, uint64_t inode, int64_t at, const char *path, const char *other,
              const void *data, size_t size);
#pragma GCC visibility pop

#define REAL(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&name) found;                                                                                \
        if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                \
        found;                                                                                                         \
    })

/* A call on a descriptor or a name, but for a write: fail it, or make it and record it. */
#define MADE(kind, call, is_watched, descriptor, inode, at, path, other, real)                                         \
    if (!(is_watched)) return real;                                                                                    \
    enum act now = shim_due(kind, call, path, descriptor);                                                             \
    uint64_t file = inode;                                                                                             \
    if (now == FAIL) {                                                                                                 \
        shim_add(kind, 1, file, at, path, other, "", 0);                                                               \
        errno = shim_error;                                                                                            \
        return -1;                                                                                                     \
    }                                                                                                                  \
    __typeof__(real) result = real;                                                                                    \
    shim_add(kind, result < 0 ? 2 : 0, file, at, path, other, "", 0);                                                  \
    if (now == KILL_AFTER) kill(getpid(), SIGKILL);                                                                    \
    return result;

#endif
