/* The calls that change files and names. */
#include "shim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* ---------------------------------------------------------------- writes */

static ssize_t put(const char *call, int fd, const void *data, size_t count, int64_t at) {
    char path[PATH_MAX];
    if (!shim_watched(fd, path))
        return at < 0 ? syscall(SYS_write, fd, data, count) : syscall(SYS_pwrite64, fd, data, count, at);
    uint64_t inode = shim_inode(fd);
    enum act now = shim_due(WRITE, call, path, fd);
    if (now == FAIL) {
        shim_add(WRITE, 1, inode, at, path, "", "", 0);
        errno = shim_error;
        return -1;
    }
    /* A write of a single byte cannot be short. */
    if (now == SHORT && count > 1) count /= 2;
    if ((now == ALL_BUT_ONE || now == KILL_WITHIN) && count > 1) count--;
    ssize_t done = at < 0 ? syscall(SYS_write, fd, data, count) : syscall(SYS_pwrite64, fd, data, count, at);
    int before = errno, flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
    if (at < 0) at = syscall(SYS_lseek, fd, 0, SEEK_CUR) - (done > 0 ? done : 0);
    else if (flags & O_APPEND) at = shim_size(fd) - (done > 0 ? done : 0);
    errno = before;
    shim_add(WRITE, done < 0 ? 2 : 0, inode, at, path, "", data, done > 0 ? (size_t)done : 0);
    if (done > 0 && (flags & O_DSYNC)) shim_add(IMPLIED_SYNC, 0, inode, 0, path, "", "", 0);
    if (now == KILL_AFTER || now == KILL_WITHIN) kill(getpid(), SIGKILL);
    return done;
}

static ssize_t put_all(const char *call, int fd, const struct iovec *parts, int count, int64_t at) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    char *joined = malloc(size ? size : 1), *end = joined;
    for (int i = 0; i < count; i++) end = mempcpy(end, parts[i].iov_base, parts[i].iov_len);
    ssize_t done = put(call, fd, joined, size, at);
    int before = errno;
    free(joined);
    errno = before;
    return done;
}

ssize_t write(int fd, const void *data, size_t count) { return put("write", fd, data, count, -1); }
ssize_t pwrite(int fd, const void *data, size_t count, off_t at) { return put("pwrite", fd, data, count, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return put_all("writev", fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return put_all("pwritev", fd, parts, count, at);
}

/* A copy within the kernel: what it wrote is read back for the record. */
static ssize_t copied(int fd, ssize_t done, int64_t at, const char *path) {
    int before = errno;
    char place[64], *data = malloc(done > 0 ? (size_t)done : 1);
    snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
    int again = (int)syscall(SYS_openat, AT_FDCWD, place, O_RDONLY | O_CLOEXEC);
    ssize_t there = done > 0 ? syscall(SYS_pread64, again, data, done, at) : 0;
    shim_add(WRITE, done < 0 ? 2 : 0, shim_inode(fd), at, path, "", data, there > 0 ? (size_t)there : 0);
    syscall(SYS_close, again);
    free(data);
    errno = before;
    return done;
}

#define COPIED(call, is_watched, to, at, real)                                                                         \
    if (!(is_watched)) return real;                                                                                    \
    int64_t place = at;                                                                                                \
    if (shim_due(WRITE, call, path, to) == FAIL) {                                                                     \
        shim_add(WRITE, 1, 0, place, path, "", "", 0);                                                                 \
        errno = shim_error;                                                                                            \
        return -1;                                                                                                     \
    }                                                                                                                  \
    return copied(to, real, place, path);

ssize_t sendfile(int to, int from, off_t *at, size_t count) {
    char path[PATH_MAX];
    COPIED("sendfile", shim_watched(to, path), to, syscall(SYS_lseek, to, 0, SEEK_CUR),
           (ssize_t)syscall(SYS_sendfile, to, from, at, count))
}

ssize_t copy_file_range(int from, off_t *start, int to, off_t *at, size_t count, unsigned flags) {
    char path[PATH_MAX];
    COPIED("copy_file_range", shim_watched(to, path), to, at ? *at : syscall(SYS_lseek, to, 0, SEEK_CUR),
           (ssize_t)syscall(SYS_copy_file_range, from, start, to, at, count, flags))
}

/* ---------------------------------------------------------------- other changes of a file */

#define SYNCED(call) (shim_unsynced ? 0 : (int)syscall(call, fd))

int fsync(int fd) {
    char path[PATH_MAX];
    MADE(SYNC, "fsync", shim_watched(fd, path), fd, shim_inode(fd), 0, path, "", SYNCED(SYS_fsync))
}

int fdatasync(int fd) {
    char path[PATH_MAX];
    MADE(SYNC, "fdatasync", shim_watched(fd, path), fd, shim_inode(fd), 0, path, "", SYNCED(SYS_fdatasync))
}

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    MADE(TRUNCATE, "ftruncate", shim_watched(fd, path), fd, shim_inode(fd), size, path, "",
         (int)syscall(SYS_ftruncate, fd, size))
}

static int allocated(int fd, int mode, off_t at, off_t size) {
    char path[PATH_MAX];
    int64_t size_now = shim_size(fd), end = at + size;
    if (mode & FALLOC_FL_KEEP_SIZE || end < size_now) end = size_now;
    MADE(TRUNCATE, "fallocate", shim_watched(fd, path), fd, shim_inode(fd), end, path, "",
         (int)syscall(SYS_fallocate, fd, mode, at, size))
}

int fallocate(int fd, int mode, off_t at, off_t size) { return allocated(fd, mode, at, size); }

int posix_fallocate(int fd, off_t at, off_t size) {
    int before = errno, result = allocated(fd, 0, at, size) ? errno : 0;
    errno = before;
    return result;
}

/* ---------------------------------------------------------------- names */

static int removed(int at, const char *name, int flags) {
    char path[PATH_MAX];
    MADE(UNLINK, "unlink", shim_watched_name(at, name, path), -1, 0, 0, path, "",
         (int)syscall(SYS_unlinkat, at, name, flags))
}

int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return removed(at, name, flags); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }

static int moved(int a, const char *from, int b, const char *to, unsigned flags) {
    char path[PATH_MAX], other[PATH_MAX];
    int known = shim_watched_name(b, to, other);
    MADE(RENAME, "rename", (known |= shim_watched_name(a, from, path)), -1, 0, 0, path, other,
         (int)syscall(SYS_renameat2, a, from, b, to, flags))
}

int rename(const char *from, const char *to) { return moved(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return moved(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return moved(a, from, b, to, flags); }

static int linked(int a, const char *from, int b, const char *to, int flags) {
    char path[PATH_MAX], other[PATH_MAX];
    int known = shim_watched_name(b, to, other);
    MADE(LINK, "link", known && shim_watched_name(a, from, path), -1, 0, 0, path, other,
         (int)syscall(SYS_linkat, a, from, b, to, flags))
}

int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return linked(a, from, b, to, flags); }

/* ---------------------------------------------------------------- opening and closing */

static int opened(int at, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!shim_watched_name(at, name, path)) return (int)syscall(SYS_openat, at, name, flags, mode);
    struct statx found = {0};
    int before = errno;
    int was = !syscall(SYS_statx, at, name, AT_SYMLINK_NOFOLLOW, STATX_SIZE, &found);
    errno = before;
    int makes = (flags & O_CREAT && !was) || (flags & O_TRUNC && was && found.stx_size);
    enum kind kind = makes ? CREATE : OPEN;
    enum act now = shim_due(kind, makes ? "creation" : "open", path, -1);
    if (now == FAIL) {
        shim_add(kind, 1, 0, 0, path, "", "", 0);
        errno = shim_error;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, at, name, flags, mode);
    if (!makes || fd < 0) shim_add(kind, fd < 0 ? 2 : 0, 0, 0, path, "", "", 0);
    else shim_add(kind, 0, shim_inode(fd), was, path, "", "", 0);
    if (now == KILL_AFTER) kill(getpid(), SIGKILL);
    return fd;
}

#define MODE                                                                                                           \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                            \
    va_end(rest);

int open(const char *name, int flags, ...) {
    MODE return opened(AT_FDCWD, name, flags, mode);
}

int openat(int at, const char *name, int flags, ...) {
    MODE return opened(at, name, flags, mode);
}

/* The descriptor is closed even if that fails, as in Linux. */
int close(int fd) {
    char path[PATH_MAX];
    if (!(shim_kinds & CLOSE) || !shim_watched(fd, path) || (syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        return (int)syscall(SYS_close, fd);
    enum act now = shim_due(CLOSE, "close", path, -1);
    int result = (int)syscall(SYS_close, fd);
    shim_add(CLOSE, now == FAIL ? 1 : 0, 0, 0, path, "", "", 0);
    if (now == KILL_AFTER) kill(getpid(), SIGKILL);
    if (now != FAIL) return result;
    errno = shim_error;
    return -1;
}

/* ---------------------------------------------------------------- the names for large files */

#ifdef __GLIBC__
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) { return put("pwrite", fd, data, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    return put_all("pwritev", fd, parts, count, at);
}
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    (void)flags;
    return put_all("pwritev", fd, parts, count, at);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags) {
    (void)flags;
    return put_all("pwritev", fd, parts, count, at);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t count) { return sendfile(to, from, at, count); }
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return allocated(fd, mode, at, size); }
int posix_fallocate64(int fd, off64_t at, off64_t size) { return posix_fallocate(fd, at, size); }
int open64(const char *name, int flags, ...) {
    MODE return opened(AT_FDCWD, name, flags, mode);
}
int openat64(int at, const char *name, int flags, ...) {
    MODE return opened(at, name, flags, mode);
}
#endif
