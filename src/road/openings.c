#include "road/openings.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "road/exhausted.h"
#include "road/opener.h"

void openings_init(struct openings *openings, opening_fn *serve, void *arg) UNCHECKED {
    *openings = (struct openings){.serve = serve, .arg = arg, .max = 1};
    lock_init(&openings->lock, RANK_LEAF);
    cond_init(&openings->room);
    cond_init(&openings->gone);
    TAILQ_INIT(&openings->lanes);
    TAILQ_INIT(&openings->ripe);
    TAILQ_INIT(&openings->openers);
    TAILQ_INIT(&openings->idle);
    SLIST_INIT(&openings->ended);
}

void openings_destroy(struct openings *openings) UNCHECKED {
    CHECK(openings->n_openers == 0 && TAILQ_EMPTY(&openings->lanes));
    opener_join_all(&openings->ended);
    cond_destroy(&openings->gone);
    cond_destroy(&openings->room);
    lock_destroy(&openings->lock);
}

/* Lanes */

static void list_lane(struct openings *openings, struct lane *lane) REQUIRES(openings->lock) {
    if (lane->listed)
        return;
    TAILQ_INSERT_TAIL(&openings->lanes, lane, link);
    lane->listed = true;
}

static void unlist_lane(struct openings *openings, struct lane *lane) REQUIRES(openings->lock) {
    if (!lane->listed || lane->n_waiting > 0 || lane->working > 0)
        return;
    TAILQ_REMOVE(&openings->lanes, lane, link);
    lane->listed = false;
}

/* How many of the openers that are anybody's are taken. */
static size_t count_shared(const struct openings *openings) REQUIRES(openings->lock) {
    const struct lane *lane;
    size_t n = 0;

    if (openings->own == 0)
        return openings->working;
    TAILQ_FOREACH(lane, &openings->lanes, link)
        n += lane->working > openings->own ? lane->working - openings->own : 0;
    return n;
}

static bool may_take_opener(const struct openings *openings, const struct lane *lane, size_t shared)
    REQUIRES(openings->lock) {
    if (atomic_load(&openings->stop))
        return true; /* each opening hears of it from its opener */
    return openings->working < openings->max &&
           (lane->working < openings->own || shared < openings->shared);
}

/* The next one that may go to an opener, and is counted as if it were there; or NULL. */
static struct opening *take_opening(struct openings *openings) REQUIRES(openings->lock) {
    size_t shared = count_shared(openings);
    struct opening *opening;
    struct lane *lane;

    TAILQ_FOREACH(lane, &openings->lanes, link)
        if (lane->n_waiting > 0 && may_take_opener(openings, lane, shared))
            break;
    if (lane == NULL)
        return NULL;
    opening = STAILQ_FIRST(&lane->waiting);
    STAILQ_REMOVE_HEAD(&lane->waiting, next);
    lane->n_waiting--;
    openings->waiting--;
    openings->wants--;
    lane->working++;
    openings->working++;
    TAILQ_REMOVE(&openings->lanes, lane, link); /* the other lanes are next */
    TAILQ_INSERT_TAIL(&openings->lanes, lane, link);
    if (openings->blocked > 0)
        cond_broadcast(&openings->room);
    return opening;
}

/* Coming in */

/* Wakes an idle opener for the next opening. False: none is idle; *ret_make: one more is to be
 * made, for that opening. */
static void hand_out_opening(struct openings *openings, struct opening **ret_make)
    REQUIRES(openings->lock) {
    struct opener *opener = TAILQ_FIRST(&openings->idle);

    *ret_make = NULL;
    if (opener == NULL && openings->n_openers >= openings->max)
        return;
    struct opening *opening = take_opening(openings);
    if (opening == NULL)
        return;
    if (opener == NULL) {
        openings->n_openers++;
        *ret_make = opening;
        return;
    }
    TAILQ_REMOVE(&openings->idle, opener, idle_link);
    opener->opening = opening;
    cond_signal(&opener->wake);
}

/* No thread could be made for it: it waits as before, at the head of its lane, for those that there
 * are. */
static void put_back_opening(struct openings *openings, struct opening *opening) {
    struct lane *lane = &opening->limit->lane;

    lock_acquire(&openings->lock);
    openings->n_openers--;
    openings->working--;
    lane->working--;
    STAILQ_INSERT_HEAD(&lane->waiting, opening, next);
    lane->n_waiting++;
    openings->waiting++;
    openings->wants++;
    openings_make_room(openings);
    lock_release(&openings->lock);
}

int openings_push(struct openings *openings, struct job *job, bool beyond) {
    struct lane *lane = &job->has.seat.limit->lane;
    struct opening *opening = opening_new(job), *make = NULL;

    if (opening == NULL)
        return -ENOMEM;
    opening->openings = openings;
    lock_acquire(&openings->lock);
    bool room = beyond || lane->n_waiting < openings->capacity;
    if (room) {
        STAILQ_INSERT_TAIL(&lane->waiting, opening, next);
        lane->n_waiting++;
        openings->waiting++;
        openings->wants++;
        list_lane(openings, lane);
        hand_out_opening(openings, &make);
        openings_make_room(openings);
    }
    lock_release(&openings->lock);
    if (!room) {
        opening_return(opening, job);
        return -EAGAIN;
    }
    int r = make != NULL ? opener_start(openings, make) : 0;
    if (r < 0) {
        put_back_opening(openings, make);
        exhausted_say("start one more thread that reads what comes before a dial", -r);
    }
    return 0;
}

enum room openings_wait_room(struct openings *openings, struct lane *lane) {
    lock_acquire(&openings->lock);
    unsigned nudges = openings->nudges;
    openings->blocked++;
    while (lane->n_waiting >= openings->capacity && !openings->hurries &&
           openings->nudges == nudges)
        cond_wait(&openings->room, &openings->lock);
    openings->blocked--;
    bool there = lane->n_waiting < openings->capacity, closed = openings->hurries;
    lock_release(&openings->lock);
    return closed ? ROOM_CLOSED : there ? ROOM_THERE : ROOM_NUDGED;
}

void openings_nudge(struct openings *openings) {
    lock_acquire(&openings->lock);
    openings->nudges++;
    cond_broadcast(&openings->room);
    lock_release(&openings->lock);
}

size_t openings_count(struct openings *openings) {
    lock_acquire(&openings->lock);
    size_t n = openings->waiting + openings->working;
    lock_release(&openings->lock);
    return n;
}

/* Openers */

/* Whether there is one too many of them, beside the one that asks. */
static bool is_superfluous(const struct openings *openings) REQUIRES(openings->lock) {
    return atomic_load(&openings->stop) || openings->n_openers > openings->max;
}

/* Waits for an opening; gives up after a while, unless it is the last opener. */
static void wait_idle(struct openings *openings, struct opener *opener) REQUIRES(openings->lock) {
    usec_t until = clock_now() + OPENER_IDLE_MAX;
    bool waits = true;

    TAILQ_INSERT_HEAD(&openings->idle, opener, idle_link);
    while (opener->opening == NULL && waits && !is_superfluous(openings)) {
        waits = cond_wait_until(&opener->wake, &openings->lock, until) || openings->n_openers == 1;
        if (clock_now() >= until)
            until = clock_now() + OPENER_IDLE_MAX;
    }
    if (opener->opening == NULL)
        TAILQ_REMOVE(&openings->idle, opener, idle_link);
}

/* Its opener is through with it. */
static void count_out(struct openings *openings, const struct opening *opening)
    REQUIRES(openings->lock) {
    struct lane *lane = &opening->limit->lane;

    CHECK(!opening->ripe);
    openings->working--;
    lane->working--;
    if (opening->put_out)
        openings->leaving--;
    unlist_lane(openings, lane);
}

/* With the next one at once: it may be what the last one was put out for. */
static struct opening *change_opening(struct openings *openings, struct opener *opener,
                                      const struct opening *last) {
    lock_acquire(&openings->lock);
    if (last != NULL)
        count_out(openings, last);
    opener->opening = NULL;
    if (openings->n_openers <= openings->max || atomic_load(&openings->stop))
        opener->opening = take_opening(openings);
    /* Those who wait at a gate may have a place already, and not yet know it: they speak for
     * themselves. */
    if (openings->waiting > openings->leaving)
        openings_make_room(openings);
    struct opening *opening = opener->opening;
    lock_release(&openings->lock);
    return opening;
}

static struct opening *await_opening(struct openings *openings, struct opener *opener) {
    lock_acquire(&openings->lock);
    if (openings->n_openers <= openings->max || atomic_load(&openings->stop))
        opener->opening = take_opening(openings);
    if (opener->opening == NULL)
        wait_idle(openings, opener);
    struct opening *opening = opener->opening;
    if (opening == NULL)
        openings->n_openers--; /* decided and counted at once: the last one stays */
    lock_release(&openings->lock);
    return opening;
}

struct opening *openings_next(struct openings *openings, struct opener *opener,
                              struct opening *last) {
    struct opening *opening = change_opening(openings, opener, last);

    if (last != NULL)
        opening_free(last);
    return opening != NULL ? opening : await_opening(openings, opener);
}

int openings_begin(struct openings *openings) {
    lock_acquire(&openings->lock);
    bool make = openings->n_openers == 0;
    openings->n_openers += make;
    lock_release(&openings->lock);
    int r = make ? opener_start(openings, NULL) : 0;
    if (r == 0)
        return 0;
    lock_acquire(&openings->lock);
    openings->n_openers--;
    lock_release(&openings->lock);
    return r;
}

void openings_set(struct openings *openings, size_t max, size_t capacity, size_t lanes) {
    struct opener *opener;

    lock_acquire(&openings->lock);
    openings->max = max;
    openings->own = lanes > 0 ? max / (2 * lanes) : 0;
    openings->shared = max - openings->own * lanes;
    openings->capacity = capacity;
    TAILQ_FOREACH(opener, &openings->idle, idle_link)
        cond_signal(&opener->wake); /* there may be too many of them */
    cond_broadcast(&openings->room);
    lock_release(&openings->lock);
}

bool openings_move(struct openings *openings, usec_t patience, char *ret_what, size_t size) {
    usec_t now = clock_now();
    const struct opener *opener;
    bool moves = true;

    lock_acquire(&openings->lock);
    TAILQ_FOREACH(opener, &openings->openers, link) {
        const struct opening *opening = opener->opening;

        if (opening != NULL && !opening->whole && now > opening->deadline + patience)
            moves = false;
    }
    lock_release(&openings->lock);
    if (!moves)
        snprintf(ret_what, size, "an opener does not come back from its connection");
    return moves;
}

bool openings_stop_until(struct openings *openings, usec_t deadline) {
    struct opener *opener;

    lock_acquire(&openings->lock);
    atomic_store(&openings->stop, true);
    TAILQ_FOREACH(opener, &openings->openers, link) {
        cond_signal(&opener->wake);
        thread_interrupt(&opener->thread); /* interrupt_note */
    }
    while (!TAILQ_EMPTY(&openings->openers) &&
           cond_wait_until(&openings->gone, &openings->lock, deadline))
        continue;
    bool ended = TAILQ_EMPTY(&openings->openers);
    lock_release(&openings->lock);
    return ended;
}
