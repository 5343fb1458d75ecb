/* Who takes what, when.
 *
 * in_turn: connections are to be dialled for in the order in which they came. If each push woke a
 * worker, the second one might run first. So one wake-up is on its way at a time: a push sends one
 * only if there is none, and the worker that has come and taken its job sends the next, if more
 * wait. One that does not come (its CPU is busy) is not waited for beyond LATE. */
#include <stdatomic.h>
#include <stdlib.h>

#include "road/queue_inside.h"

#define LATE        (20 * USEC_PER_MSEC)
#define SLOW_STAYS  16           /* dials of a slow line that are quick, until it counts as quick */
#define SPARE_AGAIN USEC_PER_SEC /* after a spare thread could not be started */

/* Whether one more turn can go away: a spare thread takes its place. */
static bool can_leave(const struct queue *queue, usec_t now) REQUIRES(queue->lock) {
    size_t most = queue->bounds.workers > SPARES_MAX ? queue->bounds.workers : SPARES_MAX;

    return queue->away < queue->spares ||
           (queue->spares < most && now >= queue->spare_again && !queue->hurries);
}

struct line *queue_choose(struct queue *queue, usec_t now) {
    struct line *quick = TAILQ_FIRST(&queue->quick), *slow = TAILQ_FIRST(&queue->slow);
    bool place = queue->active < queue->bounds.workers || queue->hurries;

    if (!place)
        quick = NULL;
    /* If nobody can go away and nobody is: slow ones hold places, too. */
    if (slow != NULL && !can_leave(queue, now) && !(place && queue->away == 0) && !queue->hurries)
        slow = NULL;
    return quick == NULL || (slow != NULL && queue->slow_next) ? slow : quick;
}

/* The usher has to look after what waits, and sleeps. */
static void note_overdue(struct queue *queue) REQUIRES(queue->lock) {
    const struct queued *first = TAILQ_FIRST(&queue->overdue);

    if (first == NULL || first->until >= queue->usher_until)
        return;
    queue->usher_until = first->until; /* once is enough */
    cond_signal(&queue->usher);
}

void queue_call_usher(struct queue *queue) {
    queue->usher_called = true;
    cond_signal(&queue->usher);
}

struct turn *queue_call_next(struct queue *queue, usec_t now) {
    struct turn *turn = SLIST_FIRST(&queue->idle);

    if (queue->count == 0)
        return NULL;
    if (turn == NULL || queue_choose(queue, now) == NULL) {
        if (queue->coming == 0)
            note_overdue(queue);
        return NULL;
    }
    if (queue->coming > 0 && now - queue->woken_last < LATE)
        return NULL;
    SLIST_REMOVE_HEAD(&queue->idle, entry);
    atomic_store_explicit(&turn->woken, now, memory_order_relaxed);
    queue->woken_last = now;
    queue->coming++;
    return turn;
}

void queue_tell(struct turn *turn) {
    if (turn != NULL)
        event_set(&turn->event, TURN_WOKEN);
}

void queue_call_all(struct queue *queue) {
    struct turn *turn;

    while ((turn = SLIST_FIRST(&queue->idle)) != NULL) {
        SLIST_REMOVE_HEAD(&queue->idle, entry);
        queue->coming++;
        event_set(&turn->event, TURN_WOKEN);
    }
}

/* Counts a turn as away. Whether a spare thread is to be started for it, see add_spare. */
static bool count_away(struct queue *queue, struct turn *turn) REQUIRES(queue->lock) {
    turn->away = true;
    queue->away++;
    if (queue->away <= queue->spares)
        return false;
    queue->spares++;
    queue_call_usher(queue); /* it sends the thread away one day */
    return true;
}

/* Without the lock. If there is none to be had, the turn has a place after all. */
static void add_spare(struct queue *queue, struct turn *turn) {
    if (queue->add_spare(queue->arg) == 0)
        return;
    lock_acquire(&queue->lock);
    queue->spares--;
    queue->away--;
    queue->active++;
    turn->away = false;
    queue->spare_again = clock_now() + SPARE_AGAIN;
    lock_release(&queue->lock);
}

void turn_leave(struct turn *turn) {
    struct queue *queue = turn->queue;
    usec_t now = clock_now();
    bool add = false;

    if (turn->away)
        return;
    lock_acquire(&queue->lock);
    turn->line->slow = SLOW_STAYS;
    queue_relist(queue, turn->line);
    if (can_leave(queue, now)) {
        queue->active--;
        add = count_away(queue, turn);
    }
    struct turn *next = queue_call_next(queue, now);
    lock_release(&queue->lock);
    queue_tell(next);
    if (add)
        add_spare(queue, turn);
}

usec_t turn_patience(const struct turn *turn) {
    return turn->away ? USEC_NEVER : TURN_PATIENCE;
}

void turn_note(struct turn *turn, usec_t took) {
    if (turn->dial != TURN_SLOW)
        turn->dial = took < TURN_PATIENCE ? TURN_QUICK : TURN_SLOW;
}

/* The turn is over. Returns the line, whose reference is the caller's. */
static struct line *end_turn(struct queue *queue, struct turn *turn) REQUIRES(queue->lock) {
    struct line *line = turn->line;

    if (line == NULL)
        return NULL;
    line->turns--;
    --*(turn->away ? &queue->away : &queue->active);
    if (turn->dial == TURN_SLOW)
        line->slow = SLOW_STAYS;
    else if (turn->dial == TURN_QUICK && line->slow > 0)
        line->slow--;
    queue_note_outcome(line, turn);
    queue_relist(queue, line);
    turn->line = NULL;
    turn->away = false;
    LIST_REMOVE(turn, busy_entry);
    return line;
}

/* Begins a turn with the first job of the line. */
static struct queued *begin_turn(struct queue *queue, struct turn *turn, struct line *line,
                                 usec_t now, bool *ret_add) REQUIRES(queue->lock) {
    struct queued *queued = TAILQ_FIRST(&line->jobs);
    struct line_list *list = line->listed;

    turn->line = line_ref(line);
    turn->dial = TURN_UNKNOWN;
    turn->outcome = TURN_OPEN;
    turn->left = atomic_load(&line->left);
    turn->job = job_glimpse(&queued->job, "connect");
    LIST_INSERT_HEAD(&queue->busy, turn, busy_entry);
    line->tries -= line->tries > 0;
    if (queued->job.full_since == 0 && atomic_load_explicit(&line->full, memory_order_relaxed))
        queued->job.full_since = now;
    if (line->slow > 0 && can_leave(queue, now))
        *ret_add = count_away(queue, turn);
    else
        queue->active++;
    queue->slow_next = list == &queue->quick;
    queue->served = now;
    line->turns++;
    queue_take_out(queue, queued);
    if (line->listed == list && list != NULL) { /* its next turn comes after those of the others */
        TAILQ_REMOVE(list, line, entry);
        TAILQ_INSERT_TAIL(list, line, entry);
    }
    return queued;
}

/* Waits to be woken, with the lock released meanwhile. False: sent away. */
static bool await_call(struct queue *queue, struct turn *turn, usec_t now) REQUIRES(queue->lock) {
    note_overdue(queue);
    turn->idle_since = now;
    event_reset(&turn->event);
    SLIST_INSERT_HEAD(&queue->idle, turn, entry);
    lock_release(&queue->lock);
    bool woken = event_wait(&turn->event, TURN_WAITING) == TURN_WOKEN;
    atomic_store_explicit(&turn->woken, 0, memory_order_relaxed);
    lock_acquire(&queue->lock);
    if (woken)
        queue->coming--;
    return woken;
}

/* Whether the caller is to end now. */
static bool is_dismissed(struct queue *queue, const struct turn *turn) REQUIRES(queue->lock) {
    if (!turn->spare && queue->dismissed > 0) {
        queue->dismissed--;
        return true;
    }
    if (!queue->closed || queue->count > 0)
        return false;
    queue->spares -= turn->spare;
    return true;
}

bool queue_pop(struct queue *queue, struct turn *turn, struct job *ret_job) {
    struct queued *queued = NULL;
    bool add = false, stays = true;
    usec_t now = clock_now();
    struct line *line;

    turn->queue = queue;
    lock_acquire(&queue->lock);
    struct line *done = end_turn(queue, turn);
    while (stays && queued == NULL) {
        if (is_dismissed(queue, turn)) {
            stays = false;
        } else if ((line = queue_choose(queue, now)) != NULL) {
            queued = begin_turn(queue, turn, line, now, &add);
        } else {
            stays = await_call(queue, turn, now);
            now = clock_now();
        }
    }
    struct turn *next = queue_call_next(queue, now);
    lock_release(&queue->lock);
    queue_tell(next);
    line_unref(done);
    if (queued == NULL)
        return false;
    if (add)
        add_spare(queue, turn);
    *ret_job = queued->job;
    line_unref(queued->line);
    free(queued);
    return true;
}

size_t queue_count_jobs(struct queue *queue) {
    lock_acquire(&queue->lock);
    size_t n = queue->count + queue->active + queue->away;
    lock_release(&queue->lock);
    return n;
}

size_t queue_count_glimpses(struct queue *queue) {
    lock_acquire(&queue->lock);
    size_t waiting = queue->count, busy = queue->active + queue->away;
    lock_release(&queue->lock);
    return (waiting < GLIMPSES_WAITING ? waiting : GLIMPSES_WAITING) + busy;
}

size_t queue_glimpse(struct queue *queue, struct glimpse *ret_list, size_t most) {
    const struct queued *queued;
    const struct turn *turn;
    size_t n = 0;

    lock_acquire(&queue->lock);
    TAILQ_FOREACH(queued, &queue->overdue, in_overdue) {
        if (n == most || n == GLIMPSES_WAITING)
            break;
        ret_list[n++] = job_glimpse(&queued->job, "queue");
    }
    LIST_FOREACH(turn, &queue->busy, busy_entry) {
        if (n == most)
            break;
        ret_list[n++] = turn->job;
    }
    lock_release(&queue->lock);
    return n;
}
