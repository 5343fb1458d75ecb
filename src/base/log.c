/* The ring between those who speak and the log thread.
 *
 * in_place_note: the log thread formats and writes the oldest entry where it lies, without the
 * lock. It is the only one that moves `tail`, and a producer writes only to entries between `tail +
 * count` and `tail`, so an entry belongs to its producer until count says otherwise, and to the log
 * thread from then on. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log_flood.h"
#include "base/log_sink.h"
#include "base/log_tap.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"

#define TELL_AGAIN    USEC_PER_SEC /* with a sink that takes nothing */
#define STOP_PATIENCE USEC_PER_SEC /* at the stop, with a journal that takes nothing, */
/* and with one that is slow; relayd.service allows for it */
#define STOP_MOST (10 * USEC_PER_SEC)
/* What is only heard wakes nobody: the log thread looks so often while somebody listens, */
#define HEAR_EACH (100 * USEC_PER_MSEC)
/* and is woken if so many wait. */
#define HEAR_FULL (LOG_QUEUE_SIZE / 2)

struct entry {
    enum log_kind kind;
    int64_t realtime_usec;
    log_format_fn *format;         /* NULL: payload is the sentence */
    const struct log_group *group; /* NULL: it is always written */
    bool heard;                    /* for those who listen alone: never written */
    size_t slots;                  /* two_slots */
    size_t size;
    _Alignas(max_align_t) char payload[];
};

#define SLOT_SIZE (sizeof(struct entry) + LOG_SLOT_ROOM)

_Static_assert(SLOT_SIZE % _Alignof(max_align_t) == 0, "entries are aligned");
_Static_assert(LOG_PAYLOAD_MAX == 2 * LOG_SLOT_ROOM, "two slots have room for all");

static struct {
    struct lock lock;
    struct cond filled, drained;
    struct thread thread;
    bool open; /* written while there is one thread */
    bool stopping GUARDED, waiting GUARDED;
    size_t tail GUARDED, count GUARDED;
    uint64_t dropped GUARDED, unheard GUARDED;
    _Alignas(max_align_t) char ring[(LOG_QUEUE_SIZE + 1) * SLOT_SIZE];
} queue;

static struct entry *entry_at(size_t place) {
    return (struct entry *)(void *)(queue.ring + place % LOG_QUEUE_SIZE * SLOT_SIZE);
}

static _Atomic int max_level = LOG_LEVEL_INFO;
/* log_stop has lost its patience: the thread leaves at the next EINTR. */
static atomic_bool abandon;

static int64_t realtime_now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

void log_set_level(enum log_level level) {
    atomic_store(&max_level, (int)level);
}

static bool is_wanted_kind(enum log_kind kind) {
    return (int)log_kind_infos[kind].level <=
           atomic_load_explicit(&max_level, memory_order_relaxed);
}

/* Whatever came in from outside: a message is one line. */
void log_line_text(struct log_line *line, const char *fmt, ...) {
    char text[LOG_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    escape_text(text, strlen(text), ESCAPE_UNPRINTABLE, line->text, sizeof(line->text));
}

static void add_field(struct log_line *line, const char *name, const char *value, bool number) {
    char *start = line->room + line->used;
    size_t left = sizeof(line->room) - line->used;
    size_t n = (size_t)snprintf(start, left, "%s=", name);

    if (value[0] == '\0' || n >= left || line->n_fields == LOG_FIELDS_MAX)
        return;
    escape_text(value, strlen(value), ESCAPE_UNPRINTABLE, start + n, left - n);
    line->fields[line->n_fields].text = start;
    line->fields[line->n_fields++].number = number;
    line->used += n + strlen(start + n) + 1;
}

void log_line_field(struct log_line *line, const char *name, const char *value) {
    add_field(line, name, value, false);
}

void log_line_number(struct log_line *line, const char *name, unsigned long long number) {
    char value[32];

    snprintf(value, sizeof(value), "%llu", number);
    add_field(line, name, value, true);
}

static void begin_line(struct log_line *line, enum log_kind kind, int64_t realtime_usec) {
    line->kind = kind;
    line->realtime_usec = realtime_usec;
    line->used = line->n_fields = 0;
    line->text[0] = '\0';
}

/* What could not be written, and was not yet told. The log thread's alone, or the only thread's. */
static struct {
    uint64_t slow;   /* the ring was full */
    uint64_t failed; /* the sink did not take it, */
    int error;       /* for the last time because of this errno */
    usec_t at;       /* when it was tried last */
} lost;

static void count_failed(int r) {
    lost.failed++;
    lost.error = -r;
    lost.at = clock_coarse();
    stats_add(STAT_log_dropped, 1);
}

/* Told by the log thread itself, before anything else is written: the ring may be full again by
 * now. True: nothing is left to be told. */
static bool tell_lost(void) {
    struct log_line line;

    if (lost.slow == 0 && lost.failed == 0) {
        log_sink_finish(&abandon);
        lost.at = clock_coarse();
        return true;
    }
    begin_line(&line, MSG_LOG_DROPPED, realtime_now());
    if (lost.failed == 0)
        log_line_text(&line,
                      "%llu messages were not logged because the log was slower than the traffic.",
                      (unsigned long long)lost.slow);
    else
        log_line_text(&line, "%llu messages were not logged: %s.",
                      (unsigned long long)(lost.slow + lost.failed), strerrordesc_np(lost.error));
    log_line_number(&line, "RELAYD_COUNT", lost.slow + lost.failed);
    int r = log_sink_write(&line, &abandon);
    if (r == 0) {
        lost.slow = lost.failed = 0;
    } else {
        lost.error = -r;
        lost.at = clock_coarse();
    }
    return r == 0;
}

/* When it is worth another try to tell, though nobody says anything. */
static usec_t tell_due(void) {
    return lost.failed > 0 || log_sink_is_torn() ? lost.at + TELL_AGAIN : USEC_NEVER;
}

static void write_line(const struct log_line *line) {
    log_tap_give(line);
    int r = tell_lost() ? log_sink_write(line, &abandon) : -lost.error;

    if (r < 0)
        count_failed(r);
}

static void write_message(enum log_kind kind, int64_t realtime_usec, log_format_fn *format,
                          const void *payload, bool heard) {
    struct log_line line;

    begin_line(&line, kind, realtime_usec);
    if (format != NULL)
        format(&line, payload);
    else
        log_line_text(&line, "%s", (const char *)payload);
    if (heard)
        log_tap_give(&line);
    else
        write_line(&line);
}

/* What the log does not get, or not one by one, may be wanted by who listens. */
static void take_entry(const struct entry *entry) {
    bool written = !entry->heard && (entry->group == NULL ||
                                     log_flood_admit(entry->group, entry->payload, entry->size));

    if (written || log_tap_is_heard(entry->kind))
        write_message(entry->kind, entry->realtime_usec, entry->format, entry->payload, !written);
}

static void fill_entry(struct entry *entry, enum log_kind kind, log_format_fn *format,
                       const void *payload, size_t size, const struct log_group *group,
                       bool heard) {
    entry->slots = size > LOG_SLOT_ROOM ? 2 : 1;
    entry->kind = kind;
    entry->realtime_usec = realtime_now();
    entry->format = format;
    entry->group = group;
    entry->heard = heard;
    entry->size = size;
    memcpy(entry->payload, payload, size);
}

void log_event(enum log_kind kind, log_format_fn *format, const void *payload, size_t size) {
    log_event_grouped(kind, format, payload, size, NULL);
}

/* Before log_start and after log_stop there is one thread. */
static void write_alone(enum log_kind kind, log_format_fn *format, const void *payload) {
    log_sink_open();
    write_message(kind, realtime_now(), format, payload, false);
}

static void push_entry(enum log_kind kind, log_format_fn *format, const void *payload, size_t size,
                       const struct log_group *group, bool heard) {
    CHECK(size <= LOG_PAYLOAD_MAX);
    lock_acquire(&queue.lock);
    bool wake = queue.waiting && (!heard || queue.count >= HEAR_FULL);
    if (queue.count + (size > LOG_SLOT_ROOM) < LOG_QUEUE_SIZE) {
        struct entry *entry = entry_at(queue.tail + queue.count);

        fill_entry(entry, kind, format, payload, size, group, heard);
        queue.count += entry->slots;
        queue.waiting = queue.waiting && !wake;
    } else {
        queue.unheard += log_tap_is_heard(kind);
        queue.dropped += !heard;
        stats_add(STAT_log_dropped, !heard);
    }
    lock_release(&queue.lock);
    if (wake)
        cond_signal(&queue.filled);
}

void log_event_grouped(enum log_kind kind, log_format_fn *format, const void *payload, size_t size,
                       const struct log_group *group) {
    if (!is_wanted_kind(kind))
        log_event_heard(kind, format, payload, size);
    else if (queue.open)
        push_entry(kind, format, payload, size, group, false);
    else
        write_alone(kind, format, payload);
}

void log_event_heard(enum log_kind kind, log_format_fn *format, const void *payload, size_t size) {
    if (log_tap_is_heard(kind) && queue.open)
        push_entry(kind, format, payload, size, NULL, true);
}

bool log_passes_over(enum log_kind kind, const struct log_group *group) {
    return !is_wanted_kind(kind) || log_flood_count(group);
}

void log_look(void) {
    if (!queue.open)
        return;
    lock_acquire(&queue.lock); /* it has counted who listens, or waits by now */
    lock_release(&queue.lock);
    cond_signal(&queue.filled);
}

void log_msg(enum log_kind kind, const char *fmt, ...) {
    char text[LOG_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    log_event(kind, NULL, text, (size_t)n < sizeof(text) ? (size_t)n + 1 : sizeof(text));
}

/* Whatever summaries are due by then; at the stop, all of them. */
static void write_summaries(usec_t now) {
    const struct log_group *group;
    struct log_line line;

    begin_line(&line, MSG_COUNT, realtime_now());
    while ((group = log_flood_take(now, &line)) != NULL) {
        line.kind = group->kind;
        write_line(&line);
        begin_line(&line, MSG_COUNT, realtime_now());
    }
}

/* What is only heard wakes nobody. */
static usec_t hear_due(void) {
    return log_tap_hears(LOG_TAP_ENDS | LOG_TAP_REQUESTS) ? clock_now() + HEAR_EACH : USEC_NEVER;
}

/* Until there is an entry, or log_stop asks for the end. Meanwhile summaries are written when they
 * are due. */
static void await_entry(void) REQUIRES(queue.lock) {
    while (queue.count == 0 && !queue.stopping) {
        usec_t due = usec_earlier(usec_earlier(log_flood_due(), tell_due()), hear_due());

        queue.waiting = true;
        if (cond_wait_until(&queue.filled, &queue.lock, due))
            continue;
        lock_release(&queue.lock);
        write_summaries(clock_now());
        (void)tell_lost();
        lock_acquire(&queue.lock);
    }
    queue.waiting = false;
}

static void log_thread(void *arg) {
    (void)arg;
    lock_acquire(&queue.lock);
    for (;;) {
        await_entry();
        if (queue.count == 0 || atomic_load(&abandon))
            break;
        const struct entry *oldest = entry_at(queue.tail);

        uint64_t unheard = queue.unheard;
        lost.slow += queue.dropped;
        queue.dropped = queue.unheard = 0;
        lock_release(&queue.lock);
        if (log_flood_due() <= clock_coarse())
            write_summaries(clock_coarse());
        log_tap_lose(unheard);
        take_entry(oldest); /* in_place_note */
        lock_acquire(&queue.lock);
        queue.count -= oldest->slots;
        queue.tail = (queue.tail + oldest->slots) % LOG_QUEUE_SIZE;
    }
    lock_release(&queue.lock);
    if (!atomic_load(&abandon)) {
        write_summaries(USEC_NEVER);
        (void)tell_lost();
    }
    lock_acquire(&queue.lock);
    cond_signal(&queue.drained);
    queue.stopping = false; /* tells log_stop that this thread is through */
    lock_release(&queue.lock);
}

int log_start(void) {
    log_sink_open();
    lock_init(&queue.lock, RANK_LEAF);
    cond_init(&queue.filled);
    cond_init(&queue.drained);
    int r = thread_start(&queue.thread, "relayd-log", NULL, log_thread, NULL);

    queue.open = r == 0;
    return r;
}

/* Until the log thread is through, or has written nothing for STOP_PATIENCE, or STOP_MOST is
 * over. */
static void await_drained(void) REQUIRES(queue.lock) {
    usec_t last = clock_now() + STOP_MOST;
    bool moves = true;

    while (queue.stopping && moves) {
        usec_t until = clock_now() + STOP_PATIENCE;
        size_t left = queue.count;

        if (!cond_wait_until(&queue.drained, &queue.lock, until < last ? until : last))
            moves = queue.count < left && clock_now() < last;
    }
}

void log_stop(void) {
    if (!queue.open)
        return;
    lock_acquire(&queue.lock);
    queue.stopping = true;
    queue.waiting = false;
    cond_signal(&queue.filled);
    await_drained();
    lock_release(&queue.lock);
    atomic_store(&abandon, true);
    thread_interrupt_join(&queue.thread);
    queue.open = false;
    atomic_store(&abandon, false);
    cond_destroy(&queue.filled);
    cond_destroy(&queue.drained);
    lock_destroy(&queue.lock);
}
