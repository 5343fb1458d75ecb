#include "base/log_tap.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log_line.h"
#include "base/sync.h"

#define LOST_MAX 40 /* bytes of {"lost":N} */

struct log_tap {
    SLIST_ENTRY(log_tap) entry;
    unsigned hears; /* of enum log_tap_hears */
    log_tap_wants_fn *wants;
    const void *arg;
    /* Under the lock: */
    uint64_t lost;
    size_t tail, count; /* of the ring's bytes */
    char ring[LOG_TAP_ROOM];
};

struct kept_line {
    enum log_kind kind;
    char *text; /* NULL: none */
    size_t size;
};

static struct {
    struct lock lock;
    SLIST_HEAD(, log_tap) list GUARDED;
    struct kept_line kept[LOG_TAP_KEPT] GUARDED;
    size_t n_kept GUARDED; /* that were ever kept */
} taps = {.lock = LOCK_INITIAL(RANK_LEAF)};

static atomic_uint end_listeners, request_listeners;

static unsigned count_listeners(atomic_uint *listeners) {
    return atomic_load_explicit(listeners, memory_order_relaxed);
}

bool log_tap_hears(unsigned which) {
    return ((which & LOG_TAP_ENDS) != 0 && count_listeners(&end_listeners) > 0) ||
           ((which & LOG_TAP_REQUESTS) != 0 && count_listeners(&request_listeners) > 0);
}

static bool is_request(enum log_kind kind) {
    return kind == MSG_REQUEST || kind == MSG_REQUEST_FAILED;
}

static unsigned who_hears(enum log_kind kind) {
    return kind == MSG_CONNECTION || kind == MSG_CONNECTION_FAILED ? LOG_TAP_ENDS
           : is_request(kind)                                      ? LOG_TAP_REQUESTS
                                                                   : LOG_TAP_EVENTS;
}

bool log_tap_is_heard(enum log_kind kind) {
    return log_tap_hears(who_hears(kind));
}

bool log_line_failed(const struct log_line *line) {
    return line->kind == MSG_CONNECTION_FAILED || line->kind == MSG_REQUEST_FAILED;
}

bool log_line_is_request(const struct log_line *line) {
    return is_request(line->kind);
}

const char *log_line_value(const struct log_line *line, const char *name) {
    size_t n = strlen(name);

    for (size_t i = 0; i < line->n_fields; i++)
        if (strncmp(line->fields[i].text, name, n) == 0 && line->fields[i].text[n] == '=')
            return line->fields[i].text + n + 1;
    return "";
}

static void put_bytes(struct log_tap *tap, const char *bytes, size_t n) REQUIRES(taps.lock) {
    size_t head = (tap->tail + tap->count) % LOG_TAP_ROOM,
           first = n < LOG_TAP_ROOM - head ? n : LOG_TAP_ROOM - head;

    memcpy(tap->ring + head, bytes, first);
    memcpy(tap->ring, bytes + first, n - first);
    tap->count += n;
}

/* Says how many were lost, as soon as there is room beside what follows. True: all is said. */
static bool say_tap_lost(struct log_tap *tap, size_t beside) REQUIRES(taps.lock) {
    char text[LOST_MAX];

    if (tap->lost == 0)
        return true;
    if (LOG_TAP_ROOM - tap->count < beside + LOST_MAX)
        return false;
    put_bytes(
        tap, text,
        (size_t)snprintf(text, sizeof(text), "{\"lost\":%llu}\n", (unsigned long long)tap->lost));
    tap->lost = 0;
    return true;
}

static void put_line(struct log_tap *tap, const char *text, size_t size) REQUIRES(taps.lock) {
    if (say_tap_lost(tap, size) && LOG_TAP_ROOM - tap->count >= size)
        put_bytes(tap, text, size);
    else
        tap->lost++;
}

struct log_tap *log_tap_open(unsigned hears, log_tap_wants_fn *wants, const void *arg) {
    struct log_tap *tap = malloc(sizeof(*tap));

    if (tap == NULL)
        return NULL;
    tap->hears = hears;
    tap->wants = wants;
    tap->arg = arg;
    tap->lost = 0;
    tap->tail = tap->count = 0;
    lock_acquire(&taps.lock);
    for (size_t i = 0; hears == LOG_TAP_EVENTS && i < LOG_TAP_KEPT; i++) {
        const struct kept_line *kept = &taps.kept[(taps.n_kept + i) % LOG_TAP_KEPT];

        if (kept->text != NULL)
            put_line(tap, kept->text, kept->size);
    }
    SLIST_INSERT_HEAD(&taps.list, tap, entry);
    lock_release(&taps.lock);
    bool first = !log_tap_hears(LOG_TAP_ENDS | LOG_TAP_REQUESTS);
    atomic_fetch_add(&end_listeners, (hears & LOG_TAP_ENDS) != 0);
    atomic_fetch_add(&request_listeners, (hears & LOG_TAP_REQUESTS) != 0);
    if (hears != LOG_TAP_EVENTS && first)
        log_look();
    return tap;
}

void log_tap_close(struct log_tap *tap) {
    if (tap == NULL)
        return;
    lock_acquire(&taps.lock);
    SLIST_REMOVE(&taps.list, tap, log_tap, entry);
    lock_release(&taps.lock);
    atomic_fetch_sub(&end_listeners, (tap->hears & LOG_TAP_ENDS) != 0);
    atomic_fetch_sub(&request_listeners, (tap->hears & LOG_TAP_REQUESTS) != 0);
    free(tap);
}

size_t log_tap_take(struct log_tap *tap, char *buf, size_t size) {
    lock_acquire(&taps.lock);
    (void)say_tap_lost(tap, 0);
    size_t n = size < tap->count ? size : tap->count,
           first = n < LOG_TAP_ROOM - tap->tail ? n : LOG_TAP_ROOM - tap->tail;
    memcpy(buf, tap->ring + tap->tail, first);
    memcpy(buf + first, tap->ring, n - first);
    tap->tail = (tap->tail + n) % LOG_TAP_ROOM;
    tap->count -= n;
    lock_release(&taps.lock);
    return n;
}

bool log_tap_has(struct log_tap *tap) {
    lock_acquire(&taps.lock);
    bool has = tap->count > 0 || tap->lost > 0;
    lock_release(&taps.lock);
    return has;
}

/* How many bytes the wanted ones take; copies them to buf, if that has room for all. */
static size_t copy_kept(bool (*wants)(enum log_kind kind), char *buf, size_t size) {
    size_t used = 0;

    lock_acquire(&taps.lock);
    for (size_t i = 0; i < LOG_TAP_KEPT; i++) {
        const struct kept_line *kept = &taps.kept[(taps.n_kept + i) % LOG_TAP_KEPT];

        if (kept->text == NULL || (wants != NULL && !wants(kept->kind)))
            continue;
        if (used + kept->size < size)
            memcpy(buf + used, kept->text, kept->size);
        used += kept->size;
    }
    lock_release(&taps.lock);
    return used;
}

char *log_tap_kept(bool (*wants)(enum log_kind kind)) {
    for (size_t size = 0;;) {
        char *text = malloc(size + 1);

        if (text == NULL)
            return NULL;
        size_t used = copy_kept(wants, text, size + 1);
        if (used <= size) {
            text[used] = '\0';
            return text;
        }
        free(text);
        size = used + LOG_LINE_SIZE; /* more may come meanwhile */
    }
}

/* The summary of a flood of requests: it would drown all other events. */
static bool is_flood_of_requests(enum log_kind kind) {
    return kind == MSG_REQUESTS || kind == MSG_REQUESTS_FAILED;
}

/* The summaries of a flood are told, but kept they would push out all else. */
static bool is_kept(enum log_kind kind) {
    return who_hears(kind) == LOG_TAP_EVENTS && kind != MSG_CONNECTIONS_FAILED &&
           kind != MSG_CONNECTIONS_ENDED;
}

static void keep_line(enum log_kind kind, const char *text, size_t size) {
    char *copy = malloc(size);

    if (copy == NULL)
        return;
    memcpy(copy, text, size);
    lock_acquire(&taps.lock);
    struct kept_line *kept = &taps.kept[taps.n_kept++ % LOG_TAP_KEPT];
    char *oldest = kept->text;
    *kept = (struct kept_line){.kind = kind, .text = copy, .size = size};
    lock_release(&taps.lock);
    free(oldest);
}

void log_tap_give(const struct log_line *line) {
    static char text[LOG_LINE_SIZE];
    unsigned hears = who_hears(line->kind);
    struct log_tap *tap;

    if (is_flood_of_requests(line->kind) || (hears != LOG_TAP_EVENTS && !log_tap_hears(hears)))
        return;
    size_t size = log_render(line, LOG_LOOK_JSON, text);
    lock_acquire(&taps.lock);
    SLIST_FOREACH(tap, &taps.list, entry)
        if ((tap->hears & hears) != 0 && (tap->wants == NULL || tap->wants(tap->arg, line)))
            put_line(tap, text, size);
    lock_release(&taps.lock);
    if (is_kept(line->kind))
        keep_line(line->kind, text, size);
}

void log_tap_lose(uint64_t count) {
    struct log_tap *tap;

    if (count == 0)
        return;
    lock_acquire(&taps.lock);
    SLIST_FOREACH(tap, &taps.list, entry)
        if (tap->hears != LOG_TAP_EVENTS)
            tap->lost += count;
    lock_release(&taps.lock);
}
