/* Preloaded into relayd: counts the calls of libc's functions by the place in the program where they
 * stand, and lets one of them fail, as RELAYD_FAULTS=FILE says (each_call.h).
 *
 * true_failure: what fails, fails as the kernel would have it: a connection that is said to be reset
 * is reset, and a descriptor that close() complains of is closed. */
#include "each_call.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct faults *faults;
static uintptr_t base, end;

static int find_program(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    (void)arg;
    base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_LOAD && base + part->p_vaddr + part->p_memsz > end)
            end = base + part->p_vaddr + part->p_memsz;
    }
    return 1; /* the program is the first */
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RELAYD_FAULTS");
    int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    struct faults *map;

    if (fd < 0)
        return;
    map = (struct faults *)syscall(SYS_mmap, NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED,
                                   fd, 0);
    (void)syscall(SYS_close, fd);
    dl_iterate_phdr(find_program, NULL);
    if (map != MAP_FAILED && map->magic == FAULTS_MAGIC)
        faults = map;
}

static void count(uint64_t site) {
    for (uint64_t i = site; i < site + FAULTS_SITES; i++) {
        struct faults_seen *seen = &faults->seen[i % FAULTS_SITES];
        uint64_t there = 0;

        if (atomic_load(&seen->site) == site ||
            atomic_compare_exchange_strong(&seen->site, &there, site) || there == site) {
            atomic_fetch_add(&seen->calls, 1);
            return;
        }
    }
}

static bool has_begun(uint64_t site) {
    if (atomic_load(&faults->from) == site)
        atomic_store(&faults->from, 0);
    return atomic_load(&faults->from) == 0;
}

static bool fails(const void *caller) {
    uint64_t site = (uint64_t)((uintptr_t)caller - base);

    if (faults == NULL || (uintptr_t)caller < base || (uintptr_t)caller >= end || !has_begun(site))
        return false;
    count(site);
    if (atomic_load(&faults->site) != site || atomic_fetch_sub(&faults->before, 1) != 0)
        return false;
    atomic_fetch_add(&faults->fired, 1);
    return true;
}

/* What an errno says of a connection becomes true of it. */
static void make_true(int fd) {
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    struct linger hard = {.l_onoff = 1};
    int type;
    socklen_t size = sizeof(type);

    if (faults->error != ECONNRESET && faults->error != EPIPE && faults->error != ENOTCONN &&
        faults->error != ETIMEDOUT)
        return;
    if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return;
    for (int tries = 0; tries < 50; tries++) {
        if (syscall(SYS_connect, fd, &unspec, sizeof(unspec)) == 0)
            return;
        if (errno != EBUSY) /* a unix socket's */
            break;
        (void)syscall(SYS_shutdown, fd, SHUT_RD);
    }
    (void)syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)syscall(SYS_shutdown, fd, SHUT_RDWR);
}

static long failed(void) {
    errno = faults->error;
    return -1;
}

#define FAILS      (fails(__builtin_return_address(0)))
#define NEXT(name) ((__typeof__(&(name)))next(#name))
#define SHORT      (faults->error == 0)

static void *next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* Calls of which nothing but an errno can come. */
#define PLAIN(type, name, params, args)                                                            \
    type name params {                                                                             \
        static __typeof__(&(name)) real;                                                           \
                                                                                                   \
        if (FAILS)                                                                                 \
            return (type)failed();                                                                 \
        if (real == NULL)                                                                          \
            real = (__typeof__(&(name)))next(#name);                                               \
        return real args;                                                                          \
    }

PLAIN(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
PLAIN(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
PLAIN(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
PLAIN(int, listen, (int fd, int most), (fd, most))
PLAIN(ssize_t, pread64, (int fd, void *to, size_t n, off64_t from), (fd, to, n, from))
PLAIN(int, stat64, (const char *path, struct stat64 *stat), (path, stat))
PLAIN(int, lstat64, (const char *path, struct stat64 *stat), (path, stat))
PLAIN(int, eventfd, (unsigned first, int flags), (first, flags))
PLAIN(int, epoll_create1, (int flags), (flags))
PLAIN(int, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
PLAIN(int, getpeername, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
PLAIN(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t n),
      (fd, level, name, value, n))
PLAIN(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *n),
      (fd, level, name, value, n))
PLAIN(int, pipe2, (int fds[2], int flags), (fds, flags))
PLAIN(int, dup, (int fd), (fd))
PLAIN(int, dup3, (int fd, int to, int flags), (fd, to, flags))
PLAIN(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
PLAIN(int, memfd_create, (const char *name, unsigned flags), (name, flags))
PLAIN(int, ftruncate64, (int fd, off64_t size), (fd, size))
PLAIN(int, fstat64, (int fd, struct stat64 *stat), (fd, stat))
PLAIN(ssize_t, getrandom, (void *to, size_t n, unsigned flags), (to, n, flags))
PLAIN(int, madvise, (void *at, size_t n, int advice), (at, n, advice))
PLAIN(int, mprotect, (void *at, size_t n, int how), (at, n, how))
PLAIN(void *, mmap64, (void *at, size_t n, int how, int flags, int fd, off64_t from),
      (at, n, how, flags, fd, from))

int ioctl(int fd, unsigned long what, ...) {
    va_list list;
    void *arg;

    va_start(list, what);
    arg = va_arg(list, void *);
    va_end(list);
    return FAILS ? (int)failed() : (int)syscall(SYS_ioctl, fd, what, arg);
}

int open64(const char *path, int flags, ...) {
    va_list list;
    unsigned mode;

    va_start(list, flags);
    mode = va_arg(list, unsigned);
    va_end(list);
    return FAILS ? (int)failed() : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

FILE *fopen64(const char *path, const char *how) {
    return FAILS ? (failed(), NULL) : NEXT(fopen64)(path, how);
}

int connect(int fd, const struct sockaddr *a, socklen_t n) {
    if (FAILS) {
        if (faults->error == EINTR) /* it goes on */
            (void)NEXT(connect)(fd, a, n);
        return (int)failed();
    }
    return NEXT(connect)(fd, a, n);
}

int shutdown(int fd, int how) {
    if (FAILS) {
        make_true(fd);
        return (int)failed();
    }
    return NEXT(shutdown)(fd, how);
}

int close(int fd) {
    int r = (int)syscall(SYS_close, fd);

    return FAILS ? (int)failed() : r;
}

/* Of those that carry bytes one can be told to carry one alone. */
#define BYTES(name, fd, n, call)                                                                   \
    do {                                                                                           \
        if (FAILS) {                                                                               \
            if (!SHORT) {                                                                          \
                make_true(fd);                                                                     \
                return failed();                                                                   \
            }                                                                                      \
            n = n > 0;                                                                             \
        }                                                                                          \
        return NEXT(name) call;                                                                    \
    } while (0)

ssize_t recv(int fd, void *to, size_t n, int flags) {
    BYTES(recv, fd, n, (fd, to, n, flags));
}

ssize_t __recv_chk(int fd, void *to, size_t n, size_t room, int flags);
ssize_t __recv_chk(int fd, void *to, size_t n, size_t room, int flags) {
    BYTES(__recv_chk, fd, n, (fd, to, n, room, flags));
}

ssize_t send(int fd, const void *from, size_t n, int flags) {
    BYTES(send, fd, n, (fd, from, n, flags));
}

ssize_t sendto(int fd, const void *from, size_t n, int flags, const struct sockaddr *a,
               socklen_t size) {
    BYTES(sendto, fd, n, (fd, from, n, flags, a, size));
}

ssize_t read(int fd, void *to, size_t n) {
    BYTES(read, fd, n, (fd, to, n));
}

ssize_t write(int fd, const void *from, size_t n) {
    BYTES(write, fd, n, (fd, from, n));
}

ssize_t splice(int from, off64_t *at, int to, off64_t *at_to, size_t n, unsigned flags) {
    if (FAILS) {
        if (!SHORT) {
            make_true(from);
            make_true(to);
            return failed();
        }
        n = n > 0;
    }
    return NEXT(splice)(from, at, to, at_to, n, flags);
}

static struct iovec first_byte(const struct iovec *parts, size_t n) {
    struct iovec one = {0};

    for (size_t i = 0; i < n && one.iov_len == 0; i++)
        one = (struct iovec){.iov_base = parts[i].iov_base, .iov_len = parts[i].iov_len > 0};
    return one;
}

ssize_t readv(int fd, const struct iovec *parts, int n) {
    struct iovec one = first_byte(parts, (size_t)n);

    if (!FAILS)
        return NEXT(readv)(fd, parts, n);
    if (SHORT)
        return NEXT(readv)(fd, &one, 1);
    make_true(fd);
    return failed();
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    struct iovec one = first_byte(message->msg_iov, message->msg_iovlen);
    struct msghdr small = *message;

    if (!FAILS)
        return NEXT(recvmsg)(fd, message, flags);
    if (!SHORT) {
        make_true(fd);
        return failed();
    }
    small.msg_iov = &one;
    small.msg_iovlen = 1;
    return NEXT(recvmsg)(fd, &small, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    struct iovec one = first_byte(message->msg_iov, message->msg_iovlen);
    struct msghdr small = *message;

    if (!FAILS)
        return NEXT(sendmsg)(fd, message, flags);
    if (!SHORT) {
        make_true(fd);
        return failed();
    }
    small.msg_iov = &one;
    small.msg_iovlen = 1;
    return NEXT(sendmsg)(fd, &small, flags);
}

int munmap(void *at, size_t n) {
    int r = (int)syscall(SYS_munmap, at, n);

    return FAILS ? (int)failed() : r;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *arg) {
    return FAILS ? faults->error : NEXT(pthread_create)(thread, how, run, arg);
}

int pthread_attr_init(pthread_attr_t *how) {
    return FAILS ? faults->error : NEXT(pthread_attr_init)(how);
}

/* Futexes are what locks are made of: of those only a wait can fail, and does so without a word. */
long syscall(long number, ...) {
    static __typeof__(&syscall) real;
    va_list list;
    long a[6];

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (real == NULL)
        real = (__typeof__(&syscall))next("syscall");
    if (FAILS) {
        if (!SHORT) {
            if (number == SYS_recvfrom)
                make_true((int)a[0]);
            return failed();
        }
        if (number == SYS_recvfrom)
            a[2] = a[2] > 0;
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Memory. dlsym() itself wants some: so libc's own names are used. */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t align, size_t n);

void *malloc(size_t n) {
    return FAILS ? (errno = faults->error, NULL) : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return FAILS ? (errno = faults->error, NULL) : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n) {
    return FAILS ? (errno = faults->error, NULL) : __libc_realloc(old, n);
}

void *reallocarray(void *old, size_t n, size_t size) {
    size_t all;

    if (FAILS || __builtin_mul_overflow(n, size, &all))
        return errno = ENOMEM, NULL;
    return __libc_realloc(old, all);
}

void *aligned_alloc(size_t align, size_t n) {
    return FAILS ? (errno = faults->error, NULL) : __libc_memalign(align, n);
}

char *strdup(const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = FAILS ? (errno = faults->error, NULL) : __libc_malloc(n);

    return copy == NULL ? NULL : memcpy(copy, text, n);
}

char *strndup(const char *text, size_t most) {
    size_t n = strnlen(text, most);
    char *copy = FAILS ? (errno = faults->error, NULL) : __libc_malloc(n + 1);

    if (copy == NULL)
        return NULL;
    copy[n] = '\0';
    return memcpy(copy, text, n);
}
