/* Counts the system calls that change the disk, and sends a signal at one of them.
 *
 * Loaded into every process of a command (LD_PRELOAD). The file that EVERY_CALL names is shared by all of
 * them; what it holds is struct state. A call is counted when it is about to be made: a signal at call N
 * finds the disk as call N-1 left it. Pipes, sockets, terminals and what a command prints are no disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

struct state {
    int32_t armed;   /* whether calls are counted */
    int32_t target;  /* the call that is struck; 0: none */
    int32_t signal;
    int32_t leader;  /* the process that was started first */
    int32_t aimed;   /* 0: the process that makes the call is struck, 1: the leader */
    int32_t whose;   /* calls that the target is one of: 0: all, 1: the leader's, 2: other processes' */
    _Atomic int32_t count;
    _Atomic int32_t apart;   /* calls of other processes than the leader */
    int32_t struck;  /* the process that made the call that was struck */
    char names[1000][12];    /* of the calls, as far as there is room */
};

static struct state *state;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("EVERY_CALL");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *place = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (place != MAP_FAILED)
        state = place;
}

static void call(const char *name)
{
    if (!state || !state->armed)
        return;
    int kept = errno;
    pid_t self = getpid();
    int all = atomic_fetch_add(&state->count, 1) + 1;
    int others = self != state->leader;
    int apart = others ? atomic_fetch_add(&state->apart, 1) + 1 : state->apart;
    if (all <= (int)(sizeof state->names / sizeof *state->names))
        snprintf(state->names[all - 1], sizeof *state->names, "%s", name);
    int meant = state->whose == 0 || state->whose == 1 + others;
    int number = state->whose == 0 ? all : state->whose == 1 ? all - apart : apart;
    if (meant && number == state->target) {
        state->struck = self;
        kill(state->aimed ? state->leader : self, state->signal);
    }
    errno = kept;
}

static int on_disk(int descriptor)
{
    struct stat status;
    return state && state->armed && descriptor > 2 && fstat(descriptor, &status) == 0
        && S_ISREG(status.st_mode);
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) \
        next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define CHANGES(type, name, parameters, arguments) \
    type name parameters { NEXT(name); call(#name); return next arguments; }

#define WRITES(type, name, parameters, arguments) \
    type name parameters { NEXT(name); if (on_disk(to)) call(#name); return next arguments; }

#define OPENS(name, parameters, arguments) \
    int name parameters { \
        NEXT(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (flags & (O_CREAT | O_TRUNC)) \
            call(#name); \
        return next arguments; \
    }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPENS(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

WRITES(ssize_t, write, (int to, const void *data, size_t size), (to, data, size))
WRITES(ssize_t, pwrite, (int to, const void *data, size_t size, off_t at), (to, data, size, at))
WRITES(ssize_t, pwrite64, (int to, const void *data, size_t size, off64_t at), (to, data, size, at))
WRITES(ssize_t, writev, (int to, const struct iovec *data, int count), (to, data, count))
WRITES(ssize_t, sendfile, (int to, int from, off_t *at, size_t size), (to, from, at, size))
WRITES(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t size), (to, from, at, size))
WRITES(ssize_t, copy_file_range,
       (int from, off64_t *at, int to, off64_t *there, size_t size, unsigned flags),
       (from, at, to, there, size, flags))
WRITES(int, ftruncate, (int to, off_t size), (to, size))
WRITES(int, ftruncate64, (int to, off64_t size), (to, size))
WRITES(int, fallocate, (int to, int mode, off_t at, off_t size), (to, mode, at, size))
WRITES(int, posix_fallocate, (int to, off_t at, off_t size), (to, at, size))

CHANGES(int, truncate, (const char *path, off_t size), (path, size))
CHANGES(int, truncate64, (const char *path, off64_t size), (path, size))
CHANGES(int, rename, (const char *from, const char *to), (from, to))
CHANGES(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CHANGES(int, renameat2, (int a, const char *from, int b, const char *to, unsigned how),
        (a, from, b, to, how))
CHANGES(int, link, (const char *from, const char *to), (from, to))
CHANGES(int, linkat, (int a, const char *from, int b, const char *to, int how),
        (a, from, b, to, how))
CHANGES(int, symlink, (const char *text, const char *path), (text, path))
CHANGES(int, symlinkat, (const char *text, int at, const char *path), (text, at, path))
CHANGES(int, unlink, (const char *path), (path))
CHANGES(int, unlinkat, (int at, const char *path, int how), (at, path, how))
CHANGES(int, rmdir, (const char *path), (path))
CHANGES(int, mkdir, (const char *path, mode_t mode), (path, mode))
CHANGES(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
CHANGES(int, mkfifo, (const char *path, mode_t mode), (path, mode))
CHANGES(int, chmod, (const char *path, mode_t mode), (path, mode))
CHANGES(int, fchmod, (int descriptor, mode_t mode), (descriptor, mode))
CHANGES(int, fchmodat, (int at, const char *path, mode_t mode, int how), (at, path, mode, how))
CHANGES(int, lchmod, (const char *path, mode_t mode), (path, mode))
CHANGES(int, chown, (const char *path, uid_t user, gid_t group), (path, user, group))
CHANGES(int, fchown, (int descriptor, uid_t user, gid_t group), (descriptor, user, group))
CHANGES(int, lchown, (const char *path, uid_t user, gid_t group), (path, user, group))
CHANGES(int, utime, (const char *path, const struct utimbuf *times), (path, times))
CHANGES(int, utimes, (const char *path, const struct timeval times[2]), (path, times))
CHANGES(int, lutimes, (const char *path, const struct timeval times[2]), (path, times))
CHANGES(int, futimes, (int descriptor, const struct timeval times[2]), (descriptor, times))
CHANGES(int, futimens, (int descriptor, const struct timespec times[2]), (descriptor, times))
CHANGES(int, utimensat, (int at, const char *path, const struct timespec times[2], int how),
        (at, path, times, how))
CHANGES(int, setxattr, (const char *path, const char *name, const void *data, size_t size, int how),
        (path, name, data, size, how))
CHANGES(int, fsync, (int descriptor), (descriptor))
CHANGES(int, fdatasync, (int descriptor), (descriptor))
CHANGES(int, syncfs, (int descriptor), (descriptor))

int ioctl(int descriptor, unsigned long request, ...)
{
    NEXT(ioctl);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (request == FICLONE || request == FICLONERANGE)
        call("ioctl");
    return next(descriptor, request, argument);
}
