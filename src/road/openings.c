/* Who comes in, and whose turn it is. */
#include "road/openings.h"

#include <errno.h>
#include <stdatomic.h>

#include "road/shortage.h"
#include "road/opener.h"
#include "road/openings_inside.h"

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
    openings_free_ended(&openings->ended);
    cond_destroy(&openings->gone);
    cond_destroy(&openings->room);
    lock_destroy(&openings->lock);
}

/* Lanes */

static void list_lane(struct openings *openings, struct lane *lane) REQUIRES(openings->lock) {
    if (lane->listed)
        return;
    TAILQ_INSERT_TAIL(&openings->lanes, lane, entry);
    lane->listed = true;
}

static void unlist_lane(struct openings *openings, struct lane *lane) REQUIRES(openings->lock) {
    if (!lane->listed || lane->n_waiting > 0 || lane->working > 0)
        return;
    TAILQ_REMOVE(&openings->lanes, lane, entry);
    lane->listed = false;
}

/* How many of the openers that are anybody's are taken. */
static size_t count_shared(const struct openings *openings) REQUIRES(openings->lock) {
    const struct lane *lane;
    size_t n = 0;

    if (openings->own == 0)
        return openings->working;
    TAILQ_FOREACH(lane, &openings->lanes, entry)
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

struct opening *openings_take(struct openings *openings) {
    size_t shared = count_shared(openings);
    struct opening *opening;
    struct lane *lane;

    TAILQ_FOREACH(lane, &openings->lanes, entry)
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
    TAILQ_REMOVE(&openings->lanes, lane, entry); /* the other lanes are next */
    TAILQ_INSERT_TAIL(&openings->lanes, lane, entry);
    if (openings->blocked > 0)
        cond_broadcast(&openings->room);
    return opening;
}

/* Coming in */

/* Gives the next opening to an idle opener, and returns it: it is to be woken. If none is idle and
 * one more may be made, *ret_make is the opening that it is for. */
static struct opener *hand_out_opening(struct openings *openings, struct opening **ret_make)
    REQUIRES(openings->lock) {
    struct opener *opener = TAILQ_FIRST(&openings->idle);

    if (opener == NULL && openings->n_openers >= openings->max)
        return NULL;
    struct opening *opening = openings_take(openings);
    if (opening == NULL)
        return NULL;
    if (opener == NULL) {
        openings->n_openers++;
        *ret_make = opening;
        return NULL;
    }
    TAILQ_REMOVE(&openings->idle, opener, idle_entry);
    opener->opening = opening;
    opener_call(opener);
    return opener;
}

/* No thread could be made for it: it waits as before, at the head of its lane, for those that there
 * are. One of them may have become idle meanwhile. */
static void put_back_opening(struct openings *openings, struct opening *opening) {
    struct lane *lane = &opening->limit->lane;
    struct opener *called = NULL;

    lock_acquire(&openings->lock);
    openings->n_openers--;
    openings->working--;
    lane->working--;
    STAILQ_INSERT_HEAD(&lane->waiting, opening, next);
    lane->n_waiting++;
    openings->waiting++;
    openings->wants++;
    if (!TAILQ_EMPTY(&openings->idle))
        called = hand_out_opening(openings, &opening); /* makes none */
    openings_make_room(openings);
    lock_release(&openings->lock);
    if (called != NULL)
        event_wake(&called->wake);
}

void openings_count_out(struct openings *openings, const struct opening *opening) {
    struct lane *lane = &opening->limit->lane;

    CHECK(!opening->ripe);
    openings->working--;
    lane->working--;
    if (opening->put_out)
        openings->leaving--;
    unlist_lane(openings, lane);
}

int openings_push(struct openings *openings, struct job *job, bool beyond) {
    struct lane *lane = &job->has.seat.limit->lane;
    struct opening *opening = opening_new(job), *make = NULL;
    struct opener *called = NULL;

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
        called = hand_out_opening(openings, &make);
        openings_make_room(openings);
    }
    lock_release(&openings->lock);
    if (called != NULL)
        event_wake(&called->wake); /* not under the lock, which it takes at once */
    if (!room) {
        opening_return(opening, job);
        return -EAGAIN;
    }
    int r = make != NULL ? openings_add_opener(openings, make) : 0;
    if (r < 0) {
        put_back_opening(openings, make);
        shortage_log("start one more thread that reads what clients send first", -r);
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

void openings_set(struct openings *openings, size_t max, size_t capacity, size_t lanes) {
    struct opener *opener;

    lock_acquire(&openings->lock);
    openings->max = max;
    openings->own = lanes > 0 ? max / (2 * lanes) : 0;
    openings->shared = max - openings->own * lanes;
    openings->capacity = capacity;
    TAILQ_FOREACH(opener, &openings->idle, idle_entry) {
        opener_call(opener); /* there may be too many of them */
        event_wake(&opener->wake);
    }
    cond_broadcast(&openings->room);
    lock_release(&openings->lock);
}
