/* The calls that read, look, lock and map. */
#include "shim.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* ---------------------------------------------------------------- reads */

ssize_t read(int fd, void *data, size_t count) {
    char path[PATH_MAX];
    MADE(READ, "read", (shim_kinds & READ) && shim_watched(fd, path), fd, 0, 0, path, "",
         (ssize_t)syscall(SYS_read, fd, data, count))
}

ssize_t pread(int fd, void *data, size_t count, off_t at) {
    char path[PATH_MAX];
    MADE(READ, "pread", (shim_kinds & READ) && shim_watched(fd, path), fd, 0, 0, path, "",
         (ssize_t)syscall(SYS_pread64, fd, data, count, at))
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    MADE(READ, "readv", (shim_kinds & READ) && shim_watched(fd, path), fd, 0, 0, path, "",
         (ssize_t)syscall(SYS_readv, fd, parts, count))
}

#define NULL_IF_DUE(kind, call, is_watched)                                                                            \
    if ((shim_kinds & kind) && is_watched) {                                                                           \
        enum act now = shim_due(kind, call, path, -1);                                                                 \
        shim_add(kind, now == FAIL, 0, 0, path, "", "", 0);                                                            \
        if (now == FAIL) {                                                                                             \
            errno = shim_error;                                                                                        \
            return NULL;                                                                                               \
        }                                                                                                              \
    }

DIR *opendir(const char *name) {
    char path[PATH_MAX];
    NULL_IF_DUE(OPEN, "opendir", shim_watched_name(AT_FDCWD, name, path))
    return REAL(opendir)(name);
}

struct dirent *readdir(DIR *folder) {
    char path[PATH_MAX];
    NULL_IF_DUE(READ, "readdir", shim_watched(dirfd(folder), path))
    return REAL(readdir)(folder);
}

int stat(const char *name, struct stat *found) {
    char path[PATH_MAX];
    MADE(STAT, "stat", (shim_kinds & STAT) && shim_watched_name(AT_FDCWD, name, path), -1, 0, 0, path, "",
         REAL(stat)(name, found))
}

int lstat(const char *name, struct stat *found) {
    char path[PATH_MAX];
    MADE(STAT, "lstat", (shim_kinds & STAT) && shim_watched_name(AT_FDCWD, name, path), -1, 0, 0, path, "",
         REAL(lstat)(name, found))
}

int fstatat(int at, const char *name, struct stat *found, int flags) {
    char path[PATH_MAX];
    MADE(STAT, "fstatat", (shim_kinds & STAT) && shim_watched_name(at, name, path), -1, 0, 0, path, "",
         REAL(fstatat)(at, name, found, flags))
}

int fstat(int fd, struct stat *found) {
    char path[PATH_MAX];
    MADE(STAT, "fstat", (shim_kinds & STAT) && shim_watched(fd, path), fd, 0, 0, path, "", REAL(fstat)(fd, found))
}

/* ---------------------------------------------------------------- locks and memory maps */

int flock(int fd, int how) {
    char path[PATH_MAX];
    MADE(LOCK, "flock", (shim_kinds & LOCK) && !(how & LOCK_UN) && shim_watched(fd, path), fd, 0, 0, path, "",
         (int)syscall(SYS_flock, fd, how))
}

static int is_lock(int command, void *argument) {
    switch (command) {
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return ((struct flock *)argument)->l_type != F_UNLCK;
    }
    return 0;
}

int fcntl(int fd, int command, ...) {
    char path[PATH_MAX];
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    MADE(LOCK, "fcntl", (shim_kinds & LOCK) && is_lock(command, argument) && shim_watched(fd, path), fd, 0, 0, path, "",
         REAL(fcntl)(fd, command, argument))
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    char path[PATH_MAX];
    if (protection & PROT_WRITE && flags & MAP_SHARED && fd > 2 && shim_watched(fd, path))
        shim_add(MAP, 0, shim_inode(fd), offset, path, "", "", 0);
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int msync(void *at, size_t size, int flags) {
    if (shim_folders) shim_add(FLUSH_MAP, 0, 0, 0, "", "", "", 0);
    return (int)syscall(SYS_msync, at, size, flags);
}

/* ---------------------------------------------------------------- the names for large files */

#ifdef __GLIBC__
ssize_t pread64(int fd, void *data, size_t count, off64_t at) { return pread(fd, data, count, at); }
int fcntl64(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fcntl(fd, command, argument);
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset) {
    return mmap(at, size, protection, flags, fd, offset);
}
struct dirent64 *readdir64(DIR *folder) {
    char path[PATH_MAX];
    NULL_IF_DUE(READ, "readdir", shim_watched(dirfd(folder), path))
    return REAL(readdir64)(folder);
}
int stat64(const char *name, struct stat64 *found) {
    char path[PATH_MAX];
    MADE(STAT, "stat", (shim_kinds & STAT) && shim_watched_name(AT_FDCWD, name, path), -1, 0, 0, path, "",
         REAL(stat64)(name, found))
}
int lstat64(const char *name, struct stat64 *found) {
    char path[PATH_MAX];
    MADE(STAT, "lstat", (shim_kinds & STAT) && shim_watched_name(AT_FDCWD, name, path), -1, 0, 0, path, "",
         REAL(lstat64)(name, found))
}
int fstatat64(int at, const char *name, struct stat64 *found, int flags) {
    char path[PATH_MAX];
    MADE(STAT, "fstatat", (shim_kinds & STAT) && shim_watched_name(at, name, path), -1, 0, 0, path, "",
         REAL(fstatat64)(at, name, found, flags))
}
int fstat64(int fd, struct stat64 *found) {
    char path[PATH_MAX];
    MADE(STAT, "fstat", (shim_kinds & STAT) && shim_watched(fd, path), fd, 0, 0, path, "", REAL(fstat64)(fd, found))
}
#endif
