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

/* Each moment that it waits for is looked at once more without waiting: what came in time counts,
 * even if the opener comes late. */
ssize_t openings_peek(struct opening *opening, void *buf, size_t size, usec_t deadline) {
    int fd = opening->job.has.client;

    for (;;) {
        usec_t now = clock_now(), until = next_opening_look(opening, deadline);
        bool waits = now < until;

        if (atomic_load(&opening->openings->stop))
            return -ECANCELED;
        int r = waits ? sockopt_set_receive_timeout(fd, until - now) : 0;
        if (r < 0)
            return r;
        ssize_t n = recv(fd, buf, size, MSG_PEEK | (waits ? 0 : MSG_DONTWAIT));
        if (n == 0 && was_put_out(opening))
            return -EUSERS;
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (waits || errno == EINTR)
            continue;
        if (until == deadline)
            return -ETIMEDOUT;
        if (!ripen_opening(opening))
            return -EUSERS;
        opening->stays = true;
    }
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
