/* The ring between pumps and the thread that writes.
 *
 * in_place_note: the thread reads requests where they lie, without the lock. It is the only one
 * that moves `tail`, and a pump writes only outside of the `used` bytes from there on.
 *
 * A request is lost if the ring is full, if it was still there when the process had no more time,
 * or if its line was torn by the end of a disk and the file is then another one. */
#include "record/access_log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sync.h"
#include "base/thread.h"
#include "record/access_out.h"

#define GATHER_FOR    (20 * USEC_PER_MSEC) /* from the first request on, for one write of many */
#define AGAIN_AFTER   USEC_PER_SEC         /* with a file that takes nothing */
#define USE_PATIENCE  USEC_PER_SEC         /* of main, with a disk */
#define STOP_PATIENCE USEC_PER_SEC         /* at the stop, with a disk that takes nothing */
#define STOP_MOST     (4 * USEC_PER_SEC)   /* and with a slow one; relayd.service allows for it */
#define HURRY_FROM    (ACCESS_LOG_ROOM / 4)

/* In the ring: its size, with what aligns the next; 0: the ring goes on at its beginning. */
struct entry {
    size_t size;
    int64_t realtime_usec;
    _Alignas(max_align_t) char record[];
};

#define ENTRY_ALIGN _Alignof(struct entry)

static struct {
    struct lock lock;
    struct cond filled, moved;
    struct thread thread;
    char *ring; /* NULL: there was never a file */
    size_t head GUARDED, tail GUARDED, used GUARDED;
    struct access_file *file GUARDED; /* NULL: none */
    bool waiting GUARDED;             /* the thread, for the first request */
    bool hurry GUARDED;               /* somebody waits until all is written */
    bool reopen GUARDED, stopping GUARDED, ended GUARDED;
    const struct access_file *writing GUARDED; /* to this one; NULL: to none at the moment */
    int failed GUARDED;                        /* errno: `file` did not take the last lines */
} access_log = {.lock = LOCK_INITIAL(RANK_LEAF)};

static atomic_bool is_on;
static atomic_bool abandon; /* the patience of the stop is over */

static struct access_out out; /* the thread's alone */

bool access_log_is_on(void) {
    return atomic_load_explicit(&is_on, memory_order_relaxed);
}

static int64_t access_time(void) {
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static struct entry *access_entry(size_t place) {
    return (struct entry *)(void *)(access_log.ring + place);
}

/* Where so many bytes are free in a row, or NULL. */
static struct entry *find_room(size_t size) REQUIRES(access_log.lock) {
    size_t to_end = ACCESS_LOG_ROOM - access_log.head,
           skipped = size + sizeof(struct entry) > to_end ? to_end : 0;

    if (access_log.ring == NULL || access_log.used + skipped + size > ACCESS_LOG_ROOM)
        return NULL;
    if (skipped > 0) {
        access_entry(access_log.head)->size = 0;
        access_log.head = 0;
        access_log.used += skipped;
    }
    struct entry *entry = access_entry(access_log.head);
    entry->size = size;
    access_log.head += size;
    access_log.used += size;
    return entry;
}

void access_log_add(const struct request_record *record) {
    size_t n = request_record_size(record),
           size = (sizeof(struct entry) + n + ENTRY_ALIGN - 1) & ~(ENTRY_ALIGN - 1);
    int64_t realtime_usec = access_time();

    lock_acquire(&access_log.lock);
    size_t before = access_log.used;
    struct entry *entry = find_room(size);
    bool wake = access_log.waiting || (before < HURRY_FROM && access_log.used >= HURRY_FROM);
    access_log.waiting = false;
    if (entry != NULL) {
        entry->realtime_usec = realtime_usec;
        memcpy(entry->record, record, n);
    }
    lock_release(&access_log.lock);
    if (entry == NULL)
        access_out_lose(1);
    else if (wake)
        cond_signal(&access_log.filled);
}

/* What is written */

static struct access_file *begin_writing(void) {
    lock_acquire(&access_log.lock);
    struct access_file *file = access_log.file != NULL ? access_file_ref(access_log.file) : NULL;
    access_log.writing = file;
    lock_release(&access_log.lock);
    return file;
}

static void end_writing(bool written) {
    lock_acquire(&access_log.lock);
    access_log.failed = written || access_log.writing != access_log.file ? 0 : out.failed;
    access_log.writing = NULL;
    lock_release(&access_log.lock);
    cond_broadcast(&access_log.moved);
}

/* To the file that it is now. True: no line is left that was made. */
static bool write_lines(void) {
    struct access_file *file = begin_writing();

    access_out_use(&out, file);
    bool written = access_out_write(&out, &abandon);
    end_writing(written);
    return written;
}

/* Makes lines of as many as there is room for, from here on; *tail is behind them. True: of all. */
static bool make_lines(size_t *tail, size_t *left) {
    while (*left > 0 && access_out_has_room(&out)) {
        const struct entry *entry = access_entry(*tail);
        size_t size = entry->size;

        if (size == 0) {
            size = ACCESS_LOG_ROOM - *tail;
            *tail = 0;
        } else {
            access_out_add(&out, (const void *)entry->record, entry->realtime_usec);
            *tail += size;
        }
        *left -= size;
    }
    return *left == 0;
}

/* Takes what is in the ring; in it, or in `out`, is what cannot be written. False: the file takes
 * nothing at the moment. */
static bool write_ring(void) {
    bool all = false, written = write_lines();

    while (written && !all) {
        lock_acquire(&access_log.lock);
        size_t tail = access_log.tail, left = access_log.used, had = left;
        lock_release(&access_log.lock);
        all = make_lines(&tail, &left); /* in_place_note */
        lock_acquire(&access_log.lock);
        access_log.used -= had - left;
        access_log.tail = access_log.used > 0 ? tail : 0;
        if (access_log.used == 0)
            access_log.head = 0; /* no more memory is touched than was ever needed */
        lock_release(&access_log.lock);
        written = write_lines();
    }
    return written;
}

/* The thread */

static bool is_called(void) REQUIRES(access_log.lock) {
    return access_log.stopping || access_log.hurry || access_log.reopen ||
           access_log.file != out.file;
}

/* Until there is something to do. again: the file took nothing. */
static void await_work(bool again) REQUIRES(access_log.lock) {
    usec_t until = clock_now() + (again ? AGAIN_AFTER : GATHER_FOR);

    if (!again && access_log.used == 0 && !access_log.stopping) {
        access_log.hurry = false;
        cond_broadcast(&access_log.moved); /* all is written */
        while (access_log.used == 0 && !is_called()) {
            access_log.waiting = true;
            cond_wait(&access_log.filled, &access_log.lock);
        }
        access_log.waiting = false;
        until = clock_now() + GATHER_FOR;
    }
    while (!is_called() && (again || access_log.used < HURRY_FROM) &&
           cond_wait_until(&access_log.filled, &access_log.lock, until))
        continue;
}

static void reopen_file(void) {
    int error = 0;

    lock_acquire(&access_log.lock);
    bool wanted = access_log.reopen;
    struct access_file *former =
        wanted && access_log.file != NULL ? access_file_ref(access_log.file) : NULL;
    access_log.reopen = false;
    lock_release(&access_log.lock);
    if (former == NULL)
        return;
    struct access_file *next = access_file_open(former->path, former->format, &error);
    if (next == NULL)
        log_msg(
            MSG_ACCESS_LOG_LOST,
            "The access log %s cannot be opened anew: %s; %s, and reload. Until then it goes on "
            "in the file that it had.",
            former->path, strerrordesc_np(-error), access_file_remedy(-error));
    lock_acquire(&access_log.lock);
    if (next != NULL && access_log.file == former) {
        access_log.file = next;
        next = former;
    }
    lock_release(&access_log.lock);
    access_file_unref(next);
    access_file_unref(former);
}

/* At the end: what is still in the ring. */
static void count_left(void) {
    size_t tail, left;
    uint64_t n = 0;

    lock_acquire(&access_log.lock);
    tail = access_log.tail;
    left = access_log.used;
    lock_release(&access_log.lock);
    while (left > 0) {
        size_t size = access_entry(tail)->size;

        n += size > 0;
        left -= size > 0 ? size : ACCESS_LOG_ROOM - tail;
        tail = size > 0 ? tail + size : 0;
    }
    access_out_lose(n);
}

static void access_thread(void *arg) {
    bool written = true;

    (void)arg;
    for (;;) {
        lock_acquire(&access_log.lock);
        await_work(!written);
        bool stopping = access_log.stopping;
        lock_release(&access_log.lock);
        reopen_file();
        written = write_ring();
        if (stopping)
            break;
    }
    count_left();
    access_out_end(&out);
    lock_acquire(&access_log.lock);
    access_log.ended = true;
    cond_broadcast(&access_log.moved);
    lock_release(&access_log.lock);
}

/* Main */

int access_log_begin(void) {
    if (access_log.ring != NULL)
        return 0;
    access_log.ring = malloc(ACCESS_LOG_ROOM);
    if (access_log.ring == NULL)
        return -ENOMEM;
    cond_init(&access_log.filled);
    cond_init(&access_log.moved);
    int r = thread_start(&access_log.thread, "access-log", NULL, access_thread, NULL);
    if (r < 0) {
        cond_destroy(&access_log.filled);
        cond_destroy(&access_log.moved);
        free(access_log.ring);
        access_log.ring = NULL;
    }
    return r;
}

/* Those that are in the ring go to the file that they were meant for. */
static void await_written(usec_t until) {
    lock_acquire(&access_log.lock);
    access_log.hurry = true;
    cond_signal(&access_log.filled);
    while (access_log.hurry && cond_wait_until(&access_log.moved, &access_log.lock, until))
        continue;
    access_log.hurry = false;
    lock_release(&access_log.lock);
}

void access_log_use(struct access_file *file) {
    usec_t until = clock_now() + USE_PATIENCE;

    if (access_log.ring == NULL)
        return;
    atomic_store(&is_on, file != NULL);
    if (file == NULL)
        await_written(until);
    lock_acquire(&access_log.lock);
    struct access_file *former = access_log.file;
    access_log.file = file;
    access_log.failed = 0;
    cond_signal(&access_log.filled);
    while (former != NULL && access_log.writing == former &&
           cond_wait_until(&access_log.moved, &access_log.lock, until))
        continue;
    lock_release(&access_log.lock);
    access_file_unref(former);
}

void access_log_reopen(void) {
    if (access_log.ring == NULL)
        return;
    lock_acquire(&access_log.lock);
    access_log.reopen = true;
    cond_signal(&access_log.filled);
    lock_release(&access_log.lock);
}

bool access_log_fails(char *buf, size_t size) {
    lock_acquire(&access_log.lock);
    int error = access_log.file != NULL ? access_log.failed : 0;
    if (error != 0)
        snprintf(buf, size, "The access log %s cannot be written: %s; %s.", access_log.file->path,
                 strerrordesc_np(error), access_file_remedy(error));
    lock_release(&access_log.lock);
    return error != 0;
}

/* Until the thread has ended, or has written nothing for STOP_PATIENCE, or STOP_MOST is over. */
static void await_ended(void) REQUIRES(access_log.lock) {
    usec_t last = clock_now() + STOP_MOST;
    bool moves = true;

    while (!access_log.ended && moves) {
        size_t left = access_log.used;

        if (!cond_wait_until(&access_log.moved, &access_log.lock,
                             usec_earlier(clock_now() + STOP_PATIENCE, last)))
            moves = access_log.used < left && clock_now() < last;
    }
}

/* Nobody else is there any more. */
static void clear_access_log(void) UNCHECKED {
    access_file_unref(access_log.file);
    access_log.file = NULL;
    cond_destroy(&access_log.filled);
    cond_destroy(&access_log.moved);
    free(access_log.ring);
    access_log.ring = NULL;
    access_log.head = access_log.tail = access_log.used = 0;
    access_log.stopping = access_log.ended = access_log.reopen = false;
    atomic_store(&abandon, false);
}

void access_log_stop(void) {
    if (access_log.ring == NULL)
        return;
    atomic_store(&is_on, false);
    lock_acquire(&access_log.lock);
    access_log.stopping = true;
    cond_signal(&access_log.filled);
    await_ended();
    lock_release(&access_log.lock);
    atomic_store(&abandon, true);
    if (!thread_interrupt_join_until(&access_log.thread, clock_now() + STOP_PATIENCE)) {
        thread_abandon(&access_log.thread); /* its disk hangs */
        return;
    }
    clear_access_log();
}
