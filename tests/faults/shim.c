/* A layer between a program and the C library, loaded by LD_PRELOAD: system calls on files below
 * one folder are counted, fail or are cut short on demand, and can be written down.
 *
 * What it is to do stands in a block of memory that it shares with the tests (layer.Control, whose
 * size and whose kinds of calls are given on the compiler's command line, so that they are declared
 * once). Nothing else of the program is touched.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 1024
#define LOG_SIZE 65536
#define FDS 4096

struct control {
    _Atomic uint32_t armed;  /* count calls, and fail those below */
    int32_t pid;             /* of this process alone; 0 of any */
    _Atomic uint32_t calls;  /* counted since armed */
    uint32_t at;             /* the first call that may fail; 0 for none */
    int32_t times;           /* how many fail; -1 for all */
    int32_t error;           /* with this errno; 0 for half of the bytes */
    uint32_t kinds;          /* bits of the kinds that may fail */
    _Atomic uint32_t failed; /* how many were to fail */
    _Atomic uint32_t hit;    /* bits of their kinds */
    int32_t trace;           /* descriptor to write events to; 0 for none */
    uint32_t root_size;
    uint32_t padding;
    _Atomic int64_t clock;   /* nanoseconds by which the real-time clock is wrong */
    char root[PATH_SIZE];    /* the folder */
    uint8_t log[LOG_SIZE];   /* kinds of the calls counted */
};
_Static_assert(sizeof(struct control) == CONTROL_SIZE, "layer.Control is laid out otherwise");

/* What is written of an event, before its two paths and its data. */
struct event {
    uint32_t kind;
    int32_t error;
    int64_t result;
    int64_t time;
    uint64_t inode;
    int64_t offset;
    uint32_t path, other, data, folder;
};

static struct control *control;
static uint8_t ours[FDS];  /* descriptors of files below the folder */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

static void *lookup(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void load(void) {
    const char *name = getenv("FAULT_CONTROL");
    if (!name) return;
    int fd = ((int (*)(const char *, int, ...))lookup("open64"))(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ((int (*)(int))lookup("close"))(fd);
    if (at != MAP_FAILED) control = at;
}

static int below(const char *path) {
    if (!control || !control->root_size || !path) return 0;
    uint32_t n = control->root_size;
    return !strncmp(path, control->root, n) && (path[n] == 0 || path[n] == '/');
}

static int held(int fd) { return control && fd >= 0 && fd < FDS && ours[fd]; }

static void hold(int fd, int is) {
    if (fd >= 0 && fd < FDS) ours[fd] = (uint8_t)is;
}

enum { PASS, FAIL, SHORT };

/* What is to become of a call on a file below the folder; sets errno if it is to fail. */
static int judge(int kind) {
    if (!control->armed || (control->pid && control->pid != getpid())) return PASS;
    uint32_t n = ++control->calls;
    if (n <= LOG_SIZE) control->log[n - 1] = (uint8_t)kind;
    if (!control->at || n < control->at || !(control->kinds >> kind & 1)) return PASS;
    if (control->times >= 0 && control->failed >= (uint32_t)control->times) return PASS;
    control->failed++;
    control->hit |= 1u << kind;
    if (!control->error) return SHORT;
    errno = control->error;
    return FAIL;
}

static size_t cut(int verdict, size_t size) { return verdict == SHORT && size > 1 ? size / 2 : size; }

#define LOOK(kind_, ours_) if ((ours_) && judge(kind_) == FAIL) return -1;

/* ------------------------------------------------------------ the trace */

static int tracing(void) { return control && control->trace > 0; }

/* Events stand in the trace in the order in which they happened. */
static void begin(void) { if (tracing()) pthread_mutex_lock(&order); }

static void write_down(struct event event, const char *path, const char *other, const void *data) {
    int kept = errno;
    struct timespec now;
    ((int (*)(clockid_t, struct timespec *))lookup("clock_gettime"))(CLOCK_MONOTONIC, &now);
    event.time = now.tv_sec * 1000000000LL + now.tv_nsec;
    event.error = event.result < 0 ? kept : 0;
    event.path = path ? (uint32_t)strlen(path) : 0;
    event.other = other ? (uint32_t)strlen(other) : 0;
    struct iovec parts[] = {
        {&event, sizeof event}, {(void *)path, event.path},
        {(void *)other, event.other}, {(void *)data, event.data},
    };
    if (((ssize_t (*)(int, const struct iovec *, int))lookup("writev"))(control->trace, parts, 4) < 0)
        abort();
    errno = kept;
}

static void end(struct event event, const char *path, const char *other, const void *data) {
    if (!tracing()) return;
    write_down(event, path, other, data);
    pthread_mutex_unlock(&order);
}

static struct stat64 about(int fd) {
    struct stat64 found = {0};
    int kept = errno;
    if (((int (*)(int, struct stat64 *))lookup("fstat64"))(fd, &found)) memset(&found, 0, sizeof found);
    errno = kept;
    return found;
}

static uint64_t inode_of(const char *path) {
    struct stat64 found = {0};
    int kept = errno;
    int failed = ((int (*)(const char *, struct stat64 *))lookup("lstat64"))(path, &found);
    errno = kept;
    return failed ? 0 : found.st_ino;
}

/* A line in the trace by the program itself. */
void fault_mark(int64_t number) {
    if (!tracing()) return;
    begin();
    end((struct event){.kind = MARK, .result = number}, NULL, NULL, NULL);
}

/* ------------------------------------------------------------ opening and closing */

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    if (!below(path)) return real(path, flags, mode);
    int kind = flags & O_CREAT ? CREATE : OPEN;
    if (judge(kind) == FAIL) return -1;
    begin();
    uint64_t before = tracing() ? inode_of(path) : 0;
    int fd = real(path, flags, mode);
    if (fd >= 0) hold(fd, 1);
    if (tracing()) {
        struct event event = {.kind = OPEN, .result = fd, .inode = fd < 0 ? 0 : about(fd).st_ino};
        if (fd >= 0 && !before) event.kind = CREATE;
        else if (fd >= 0 && flags & O_TRUNC) event.kind = TRUNCATE;
        end(event, path, NULL, NULL);
    }
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); \
    }

int open(const char *path, int flags, ...) {
    REAL(open);
    MODE(flags)
    return opened(real, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    MODE(flags)
    return opened(real, path, flags, mode);
}

/* Paths relative to a descriptor are not followed: neither Python's `open` nor runlog has any. */
int openat64(int at, const char *path, int flags, ...) {
    REAL(openat64);
    MODE(flags)
    return real(at, path, flags, mode);
}

int close(int fd) {
    REAL(close);
    if (!held(fd)) return real(fd);
    hold(fd, 0);
    int verdict = judge(CLOSE);
    int kept = errno;
    int result = real(fd); /* it is closed, whatever it answers */
    if (verdict != FAIL) return result;
    errno = kept;
    return -1;
}

int dup2(int fd, int to) {
    REAL(dup2);
    int result = real(fd, to);
    if (result >= 0) hold(result, held(fd));
    return result;
}

int dup3(int fd, int to, int flags) {
    REAL(dup3);
    int result = real(fd, to, flags);
    if (result >= 0) hold(result, held(fd));
    return result;
}

int fcntl64(int fd, int command, ...) {
    REAL(fcntl64);
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int result = real(fd, command, argument);
    if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) hold(result, held(fd));
    return result;
}

/* ------------------------------------------------------------ bytes */

ssize_t read(int fd, void *data, size_t size) {
    REAL(read);
    if (!held(fd)) return real(fd, data, size);
    int verdict = judge(READ);
    return verdict == FAIL ? -1 : real(fd, data, cut(verdict, size));
}

ssize_t pread64(int fd, void *data, size_t size, off64_t offset) {
    REAL(pread64);
    if (!held(fd)) return real(fd, data, size, offset);
    int verdict = judge(READ);
    return verdict == FAIL ? -1 : real(fd, data, cut(verdict, size), offset);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (!held(fd)) return real(fd, data, size);
    int verdict = judge(WRITE);
    if (verdict == FAIL) return -1;
    begin();
    off64_t offset = 0;
    if (tracing()) offset = ((off64_t (*)(int, off64_t, int))lookup("lseek64"))(fd, 0, SEEK_CUR);
    ssize_t done = real(fd, data, cut(verdict, size));
    if (tracing()) {
        uint64_t inode = about(fd).st_ino;
        uint32_t kept = done < 0 ? 0 : (uint32_t)done;
        end((struct event){.kind = WRITE, .result = done, .inode = inode, .offset = offset,
                           .data = kept}, NULL, NULL, data);
    }
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    if (!held(fd)) return real(fd, data, size, offset);
    int verdict = judge(WRITE);
    if (verdict == FAIL) return -1;
    begin();
    ssize_t done = real(fd, data, cut(verdict, size), offset);
    if (tracing()) {
        uint64_t inode = about(fd).st_ino;
        uint32_t kept = done < 0 ? 0 : (uint32_t)done;
        end((struct event){.kind = WRITE, .result = done, .inode = inode, .offset = offset,
                           .data = kept}, NULL, NULL, data);
    }
    return done;
}

/* Whoever copies by these must know how to do without: the trace would not have the bytes. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) {
    REAL(sendfile64);
    if (!held(out) && !held(in)) return real(out, in, offset, size);
    if (tracing()) {
        errno = EINVAL;
        return -1;
    }
    int verdict = judge(held(out) ? WRITE : READ);
    return verdict == FAIL ? -1 : real(out, in, offset, cut(verdict, size));
}

off64_t lseek64(int fd, off64_t offset, int whence) {
    REAL(lseek64);
    LOOK(SEEK, held(fd))
    return real(fd, offset, whence);
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    if (!held(fd)) return real(fd, size);
    if (judge(TRUNCATE) == FAIL) return -1;
    begin();
    int result = real(fd, size);
    end((struct event){.kind = TRUNCATE, .result = result, .offset = size,
                       .inode = tracing() ? about(fd).st_ino : 0}, NULL, NULL, NULL);
    return result;
}

static int synced(int (*real)(int), int fd) {
    if (!held(fd)) return real(fd);
    int failed = judge(SYNC) == FAIL;
    begin();
    int result = failed ? -1 : real(fd);
    if (tracing()) {
        struct stat64 found = about(fd);
        end((struct event){.kind = SYNC, .result = result, .inode = found.st_ino,
                           .folder = S_ISDIR(found.st_mode)}, NULL, NULL, NULL);
    }
    return result;
}

int fsync(int fd) {
    REAL(fsync);
    return synced(real, fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return synced(real, fd);
}

/* ------------------------------------------------------------ names */

#define ON_NAME(kind_, path_, other_, call) \
    if (judge(kind_) == FAIL) return -1; \
    begin(); \
    uint64_t inode = tracing() ? inode_of(path_) : 0; \
    int result = call; \
    if (tracing() && !inode) inode = inode_of(path_); \
    end((struct event){.kind = kind_, .result = result, .inode = inode}, path_, other_, NULL); \
    return result;

int rename(const char *from, const char *to) {
    REAL(rename);
    if (!below(from) && !below(to)) return real(from, to);
    ON_NAME(RENAME, from, to, real(from, to))
}

int link(const char *from, const char *to) {
    REAL(link);
    if (!below(from) && !below(to)) return real(from, to);
    ON_NAME(LINK, from, to, real(from, to))
}

int linkat(int at, const char *from, int into, const char *to, int flags) {
    REAL(linkat);
    if (!below(from) && !below(to)) return real(at, from, into, to, flags);
    ON_NAME(LINK, from, to, real(at, from, into, to, flags))
}

int unlink(const char *path) {
    REAL(unlink);
    if (!below(path)) return real(path);
    ON_NAME(UNLINK, path, NULL, real(path))
}

int rmdir(const char *path) {
    REAL(rmdir);
    if (!below(path)) return real(path);
    ON_NAME(UNLINK, path, NULL, real(path))
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (!below(path)) return real(path, mode);
    ON_NAME(MKDIR, path, NULL, real(path, mode))
}

/* ------------------------------------------------------------ looking */

int stat64(const char *restrict path, struct stat64 *restrict found) {
    REAL(stat64);
    LOOK(STAT, below(path))
    return real(path, found);
}

int lstat64(const char *restrict path, struct stat64 *restrict found) {
    REAL(lstat64);
    LOOK(STAT, below(path))
    return real(path, found);
}

int fstat64(int fd, struct stat64 *found) {
    REAL(fstat64);
    LOOK(STAT, held(fd))
    return real(fd, found);
}

int fstatat64(int at, const char *restrict path, struct stat64 *restrict found, int flags) {
    REAL(fstatat64);
    LOOK(STAT, below(path))
    return real(at, path, found, flags);
}

DIR *opendir(const char *path) {
    REAL(opendir);
    if (below(path) && judge(LIST) == FAIL) return NULL;
    return real(path);
}

int utimensat(int at, const char *path, const struct timespec times[2], int flags) {
    REAL(utimensat);
    LOOK(TOUCH, below(path))
    return real(at, path, times, flags);
}

int futimens(int fd, const struct timespec times[2]) {
    REAL(futimens);
    LOOK(TOUCH, held(fd))
    return real(fd, times);
}

/* ------------------------------------------------------------ time */

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (result || !control || clock != CLOCK_REALTIME || !control->clock) return result;
    int64_t at = now->tv_sec * 1000000000LL + now->tv_nsec + control->clock;
    now->tv_sec = at / 1000000000LL;
    now->tv_nsec = at % 1000000000LL;
    return 0;
}
