/* make_room (see openings.h): which openings are put out, and for whom. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/sockopt.h"
#include "road/openings_inside.h"

/* Somebody who cannot go on could, if this ripe opening were gone. */
static bool is_opening_in_the_way(const struct openings *openings, const struct opening *opening)
    REQUIRES(openings->lock) {
    const struct lane *lane = &opening->limit->lane;

    if (openings->hurries)
        return true;
    if (openings->wants <= openings->leaving)
        return false;
    return openings->at_gate > 0 || lane->at_gate > 0 || lane->n_waiting > 0 ||
           (openings->waiting > 0 && lane->working > openings->own);
}

void openings_make_room(struct openings *openings) {
    struct opening *opening, *next;

    if (!openings->hurries && openings->wants <= openings->leaving)
        return;
    for (opening = TAILQ_FIRST(&openings->ripe); opening != NULL; opening = next) {
        next = TAILQ_NEXT(opening, entry);
        if (!is_opening_in_the_way(openings, opening))
            continue;
        TAILQ_REMOVE(&openings->ripe, opening, entry);
        opening->ripe = false;
        opening->put_out = true;
        openings->leaving++;
        (void)shutdown(opening->job.has.client, SHUT_RD);
    }
}

/* Among the ripe, in the order of their age. */
static void insert_ripe(struct openings *openings, struct opening *opening)
    REQUIRES(openings->lock) {
    struct opening *before = TAILQ_LAST(&openings->ripe, opening_list);

    while (before != NULL && before->ripens > opening->ripens)
        before = TAILQ_PREV(before, opening_list, entry);
    if (before == NULL)
        TAILQ_INSERT_HEAD(&openings->ripe, opening, entry);
    else
        TAILQ_INSERT_AFTER(&openings->ripe, before, opening, entry);
    opening->ripe = true;
}

/* It is silent past OPENING_PATIENCE, and waits on as one of the ripe; or (false) is put out. */
static bool ripen_opening(struct opening *opening) {
    struct openings *openings = opening->openings;

    lock_acquire(&openings->lock);
    bool put_out = is_opening_in_the_way(openings, opening);
    if (put_out) {
        opening->put_out = true;
        openings->leaving++;
    } else {
        insert_ripe(openings, opening);
    }
    lock_release(&openings->lock);
    return !put_out;
}

static bool was_put_out(struct opening *opening) {
    lock_acquire(&opening->openings->lock);
    bool put_out = opening->put_out;
    lock_release(&opening->openings->lock);
    return put_out;
}

/* When it is to look up again, at the latest. */
static usec_t next_opening_look(const struct opening *opening, usec_t deadline) {
    return !opening->stays && opening->ripens < deadline ? opening->ripens : deadline;
}

#define SHORT_LOOKS 4 /* in a row that end before their time, without news: the end of data */

/* What recv(2) is asked for, and how it has gone on. */
struct peek {
    void *buf;
    size_t size, least; /* the room, and what will do */
    ssize_t before;     /* bytes at the last look */
    unsigned looks;     /* in a row that were short */
};

/* recv(2) waits for all that it is asked for (MSG_WAITALL), and returns less at the end of data,
 * but also for a signal, which only another look tells from it. True: it was the end. */
static bool is_at_end(struct peek *peek, ssize_t n) {
    peek->looks = n == peek->before ? peek->looks + 1 : 0;
    peek->before = n;
    return peek->looks == SHORT_LOOKS;
}

static int set_peek_timeout(struct opening *opening, usec_t span) {
    opening->timeout = span;
    return sockopt_set_receive_timeout(opening->job.has.client, span);
}

/* Each moment that it waits for is looked at once more without waiting: what came in time counts,
 * even if the opener comes late. */
static ssize_t await_peek(struct opening *opening, struct peek *peek, usec_t deadline) {
    int fd = opening->job.has.client, all = peek->least > 1 ? MSG_WAITALL : 0;

    opening_find_ripens(opening);
    for (;;) {
        usec_t now = clock_now(), until = next_opening_look(opening, deadline);
        bool waits = now < until;

        if (atomic_load(&opening->openings->stop))
            return -ECANCELED;
        int r = waits ? set_peek_timeout(opening, until - now) : 0;
        if (r < 0)
            return r;
        ssize_t n = recv(fd, peek->buf, peek->size, MSG_PEEK | (waits ? all : MSG_DONTWAIT));
        if (n >= (ssize_t)peek->least)
            return n;
        if (n >= 0 && was_put_out(opening))
            return -EUSERS;
        if (n == 0 || (n > 0 && waits && clock_now() < until && is_at_end(peek, n)))
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (waits || (n < 0 && errno == EINTR))
            continue;
        if (until == deadline)
            return -ETIMEDOUT;
        if (!ripen_opening(opening))
            return -EUSERS;
        opening->stays = true;
    }
}

/* As a rule it is there by now. */
static ssize_t peek_until(struct opening *opening, struct peek *peek, usec_t deadline) {
    if (atomic_load(&opening->openings->stop))
        return -ECANCELED;
    ssize_t n = recv(opening->job.has.client, peek->buf, peek->size, MSG_PEEK | MSG_DONTWAIT);
    if (n >= (ssize_t)peek->least)
        return n;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return -errno;
    return await_peek(opening, peek, deadline);
}

ssize_t openings_peek(struct opening *opening, void *buf, size_t size, usec_t deadline) {
    struct peek peek = {.buf = buf, .size = size, .least = 1};

    return peek_until(opening, &peek, deadline);
}

static bool is_on_unix_socket(const struct opening *opening) {
    return addr_is_unix(&opening->job.record.listen_addr);
}

/* A unix socket's peek never waits for all, but it can begin behind what was seen (SO_PEEK_OFF,
 * unix(7)); of TCP, Linux before 6.9 knows the former alone. */
ssize_t openings_peek_more(struct opening *opening, void *buf, size_t have, size_t need,
                           usec_t deadline) {
    struct peek all = {.buf = buf, .size = need, .least = need};

    if (!is_on_unix_socket(opening))
        return peek_until(opening, &all, deadline);
    while (have < need) {
        int r = sockopt_set_peek_offset(opening->job.has.client, (int)have);
        ssize_t n = r < 0 ? r : openings_peek(opening, (char *)buf + have, need - have, deadline);

        if (n <= 0)
            return n;
        have += (size_t)n;
    }
    return (ssize_t)need;
}

int openings_peek_end(struct opening *opening) {
    return is_on_unix_socket(opening) ? sockopt_set_peek_offset(opening->job.has.client, -1) : 0;
}

bool openings_keep(struct opening *opening) {
    struct openings *openings = opening->openings;

    lock_acquire(&openings->lock);
    if (opening->ripe)
        TAILQ_REMOVE(&openings->ripe, opening, entry);
    opening->ripe = false;
    opening->whole = true;
    bool kept = !opening->put_out;
    lock_release(&openings->lock);
    return kept;
}

void openings_want(struct openings *openings, struct lane *lane) {
    lock_acquire(&openings->lock);
    openings->wants++;
    ++*(lane != NULL ? &lane->at_gate : &openings->at_gate);
    openings_make_room(openings);
    lock_release(&openings->lock);
}

void openings_content(struct openings *openings, struct lane *lane) {
    lock_acquire(&openings->lock);
    openings->wants--;
    --*(lane != NULL ? &lane->at_gate : &openings->at_gate);
    lock_release(&openings->lock);
}

void openings_hurry(struct openings *openings) {
    lock_acquire(&openings->lock);
    openings->hurries = true;
    openings_make_room(openings);
    cond_broadcast(&openings->room);
    lock_release(&openings->lock);
}
