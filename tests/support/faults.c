/* A file system that refuses, for a program that is started with this in LD_PRELOAD.
 *
 * FAULTS names a file of struct control, shared by all processes: calls that would change something
 * below one of its folders are counted, and from the one that is asked for on (or it alone) they fail.
 * What a call is: a bit of `kinds`. FAULTS_CLOCK sets the clock off by that many seconds.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { ALLOCATE = 1, CHANGE = 2, WRITE = 4, READ = 8, SYNC = 16, LOOK = 32, LINK = 64 };

struct control {
    int count;       /* calls so far */
    int at;          /* the call that fails; 0: none */
    int stay;        /* and all after it */
    int error;       /* errno */
    int kinds;       /* which kinds are counted */
    int log;         /* write each counted call into FAULTS.log */
    char under[2048]; /* folders, one a line, each with a slash at its end */
};

static struct control *control;
static long long shift;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("FAULTS"), *clock = getenv("FAULTS_CLOCK");
    shift = clock ? atoll(clock) : 0;
    if (!path)
        return;
    int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (found != MAP_FAILED)
        control = found;
}

static int inside(const char *path)
{
    size_t length = strlen(path);
    for (const char *p = control->under; *p;) {
        const char *end = strchr(p, '\n');
        size_t n = end ? (size_t)(end - p) : strlen(p);
        if (strncmp(path, p, n) == 0 || (length == n - 1 && strncmp(path, p, n - 1) == 0))
            return 1;
        p += n + (end ? 1 : 0);
    }
    return 0;
}

static void note(const char *name, const char *path, int number)
{
    char line[PATH_MAX + 200], where[PATH_MAX];
    snprintf(where, sizeof where, "%s.log", getenv("FAULTS"));
    int file = syscall(SYS_openat, AT_FDCWD, where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int n = snprintf(line, sizeof line, "%d %s %s\n", number, name, path);
    if (file >= 0 && n > 0)
        syscall(SYS_write, file, line, (size_t)n);
    syscall(SYS_close, file);
}

static int refuse(int kind, const char *name, const char *path)
{
    if (!control || !(control->kinds & kind) || !inside(path))
        return 0;
    int number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
    if (control->log)
        note(name, path, number);
    if (control->at == 0 || number < control->at || (number > control->at && !control->stay))
        return 0;
    errno = control->error;
    return 1;
}

static const char *full(int folder, const char *path, char *out)
{
    char base[PATH_MAX];
    if (path[0] == '/')
        return path;
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base))
            return "";
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, base, sizeof base - 1);
        if (n < 0)
            return "";
        base[n] = 0;
    }
    if ((size_t)snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX)
        return "";
    return out;
}

static int refuse_at(int kind, const char *name, int folder, const char *path)
{
    char out[PATH_MAX];
    int before = errno;
    if (!control || !path)
        return 0;
    path = full(folder, path, out);
    errno = before;
    return refuse(kind, name, path);
}

static int refuse_fd(int kind, const char *name, int file)
{
    char link[64], path[PATH_MAX];
    int before = errno;
    if (!control || !(control->kinds & kind))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = before;
    if (n <= 0 || path[0] != '/')
        return 0;
    path[n] = 0;
    return refuse(kind, name, path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int opening(const char *name, int folder, const char *path, int flags)
{
    if (flags & O_CREAT) {
        struct stat status;
        int before = errno, there = syscall(SYS_newfstatat, folder, path, &status, 0) == 0;
        errno = before;
        return refuse_at(there ? CHANGE : ALLOCATE, name, folder, path);
    }
    if ((flags & O_ACCMODE) != O_RDONLY)
        return refuse_at(CHANGE, name, folder, path);
    return refuse_at(READ, name, folder, path);
}

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...)                                         \
    {                                                                                  \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        mode_t mode = va_arg(rest, mode_t);                                            \
        va_end(rest);                                                                  \
        REAL(name);                                                                    \
        return opening("open", AT_FDCWD, path, flags) ? -1 : real(path, flags, mode);  \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                      \
    int name(int folder, const char *path, int flags, ...)                                \
    {                                                                                     \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t mode = va_arg(rest, mode_t);                                               \
        va_end(rest);                                                                     \
        REAL(name);                                                                       \
        return opening("open", folder, path, flags) ? -1 : real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define PATH1(name, kind, type, extra_type, extra)      \
    type name(const char *path extra_type)              \
    {                                                   \
        REAL(name);                                     \
        return refuse_at(kind, #name, AT_FDCWD, path) ? -1 : real(path extra); \
    }
#define COMMA ,

static int there(int folder, const char *path)
{
    struct stat status;
    int before = errno, found = syscall(SYS_newfstatat, folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
    errno = before;
    return found; /* then the kernel says EEXIST, whatever else is the matter */
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    if (!there(AT_FDCWD, path) && refuse_at(ALLOCATE, "mkdir", AT_FDCWD, path))
        return -1;
    return real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL(mkdirat);
    if (!there(folder, path) && refuse_at(ALLOCATE, "mkdir", folder, path))
        return -1;
    return real(folder, path, mode);
}

PATH1(rmdir, CHANGE, int, , )
PATH1(unlink, CHANGE, int, , )
PATH1(chmod, CHANGE, int, COMMA mode_t mode, COMMA mode)
PATH1(truncate, CHANGE, int, COMMA off_t length, COMMA length)

#define AT1(name, kind, extra_type, extra)              \
    int name(int folder, const char *path extra_type)   \
    {                                                   \
        REAL(name);                                     \
        return refuse_at(kind, #name, folder, path) ? -1 : real(folder, path extra); \
    }
AT1(unlinkat, CHANGE, COMMA int flags, COMMA flags)
AT1(fchmodat, CHANGE, COMMA mode_t mode COMMA int flags, COMMA mode COMMA flags)

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
    REAL(utimensat);
    if (path ? refuse_at(CHANGE, "utime", folder, path) : refuse_fd(CHANGE, "utime", folder))
        return -1;
    return real(folder, path, times, flags);
}

int symlink(const char *target, const char *path)
{
    REAL(symlink);
    if (!there(AT_FDCWD, path) && refuse_at(ALLOCATE, "symlink", AT_FDCWD, path))
        return -1;
    return real(target, path);
}

int symlinkat(const char *target, int folder, const char *path)
{
    REAL(symlinkat);
    return refuse_at(ALLOCATE, "symlink", folder, path) ? -1 : real(target, folder, path);
}

int link(const char *old, const char *path)
{
    REAL(link);
    return refuse_at(ALLOCATE | LINK, "link", AT_FDCWD, path) ? -1 : real(old, path);
}

int linkat(int from, const char *old, int to, const char *path, int flags)
{
    REAL(linkat);
    return refuse_at(ALLOCATE | LINK, "link", to, path) ? -1 : real(from, old, to, path, flags);
}

int rename(const char *old, const char *path)
{
    REAL(rename);
    int kind = there(AT_FDCWD, path) ? CHANGE : ALLOCATE; /* a name that is there needs no room */
    return refuse_at(kind, "rename", AT_FDCWD, path) ? -1 : real(old, path);
}

int renameat(int from, const char *old, int to, const char *path)
{
    REAL(renameat);
    int kind = there(to, path) ? CHANGE : ALLOCATE;
    return refuse_at(kind, "rename", to, path) ? -1 : real(from, old, to, path);
}

#define FD(name, kind, type, extra_type, extra)  \
    type name(int file extra_type)                            \
    {                                                         \
        REAL(name);                                           \
        return refuse_fd(kind, #name, file) ? -1 : real(file extra); \
    }
FD(write, WRITE, ssize_t, COMMA const void *data COMMA size_t n, COMMA data COMMA n)
FD(writev, WRITE, ssize_t, COMMA const struct iovec *v COMMA int n, COMMA v COMMA n)
FD(pwrite, WRITE, ssize_t, COMMA const void *data COMMA size_t n COMMA off_t at, COMMA data COMMA n COMMA at)
FD(pwrite64, WRITE, ssize_t, COMMA const void *data COMMA size_t n COMMA off64_t at, COMMA data COMMA n COMMA at)
FD(ftruncate, CHANGE, int, COMMA off_t n, COMMA n)
FD(ftruncate64, CHANGE, int, COMMA off64_t n, COMMA n)
FD(fchmod, CHANGE, int, COMMA mode_t mode, COMMA mode)
FD(futimens, CHANGE, int, COMMA const struct timespec times[2], COMMA times)
FD(fsync, SYNC, int, , )
FD(fdatasync, SYNC, int, , )
FD(read, READ, ssize_t, COMMA void *data COMMA size_t n, COMMA data COMMA n)
FD(pread, READ, ssize_t, COMMA void *data COMMA size_t n COMMA off_t at, COMMA data COMMA n COMMA at)

ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
    REAL(sendfile);
    return refuse_fd(WRITE, "sendfile", out) ? -1 : real(out, in, at, n);
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t n)
{
    REAL(sendfile64);
    return refuse_fd(WRITE, "sendfile", out) ? -1 : real(out, in, at, n);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags)
{
    REAL(copy_file_range);
    return refuse_fd(WRITE, "copy_file_range", out) ? -1 : real(in, from, out, to, n, flags);
}

DIR *opendir(const char *path)
{
    REAL(opendir);
    return refuse_at(READ, "opendir", AT_FDCWD, path) ? NULL : real(path);
}

ssize_t readlink(const char *path, char *out, size_t n)
{
    if (strncmp(path, "/proc/", 6) != 0 && refuse_at(READ, "readlink", AT_FDCWD, path))
        return -1;
    return syscall(SYS_readlinkat, AT_FDCWD, path, out, n);
}

#define STAT(name, type)                                                        \
    int name(const char *path, struct type *out)                                \
    {                                                                           \
        REAL(name);                                                             \
        return refuse_at(LOOK, "stat", AT_FDCWD, path) ? -1 : real(path, out);  \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

#define STATAT(name, type)                                                                  \
    int name(int folder, const char *path, struct type *out, int flags)                     \
    {                                                                                       \
        REAL(name);                                                                         \
        return refuse_at(LOOK, "stat", folder, path) ? -1 : real(folder, path, out, flags); \
    }
STATAT(fstatat, stat)
STATAT(fstatat64, stat64)

int clock_gettime(clockid_t which, struct timespec *now)
{
    REAL(clock_gettime);
    int done = real(which, now);
    if (which == CLOCK_REALTIME)
        now->tv_sec += shift;
    return done;
}

int gettimeofday(struct timeval *now, void *zone)
{
    REAL(gettimeofday);
    int done = real(now, zone);
    now->tv_sec += shift;
    return done;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
