/* Lines and bounds: how jobs come in, how they leave for other reasons than that a worker takes
 * them, and the stop. */
#include "road/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "road/queue_inside.h"

void queue_init(struct queue *queue, queue_spare_fn *add_spare, void *arg) UNCHECKED {
    *queue = (struct queue){.add_spare = add_spare, .arg = arg, .usher_until = USEC_NEVER};
    lock_init(&queue->lock, RANK_LEAF);
    cond_init(&queue->room);
    cond_init(&queue->usher);
    TAILQ_INIT(&queue->overdue);
    TAILQ_INIT(&queue->quick);
    TAILQ_INIT(&queue->slow);
    TAILQ_INIT(&queue->held);
    SLIST_INIT(&queue->idle);
    LIST_INIT(&queue->busy);
}

void queue_destroy(struct queue *queue) UNCHECKED {
    CHECK(queue->count == 0);
    CHECK(SLIST_EMPTY(&queue->idle));
    cond_destroy(&queue->usher);
    cond_destroy(&queue->room);
    lock_destroy(&queue->lock);
}

static bool is_full(const struct line *line) {
    return atomic_load_explicit(&line->full, memory_order_relaxed);
}

void queue_relist(struct queue *queue, struct line *line) {
    size_t most = queue->hurries ? SIZE_MAX : queue->bounds.workers;
    struct line_list *list = line->slow > 0 ? &queue->slow : &queue->quick;

    if (line->turns >= most || (is_full(line) && line->tries == 0 && !queue->hurries))
        list = &queue->held;
    if (line->count == 0)
        list = NULL;
    if (list == line->listed)
        return;
    if (line->listed != NULL)
        TAILQ_REMOVE(line->listed, line, entry);
    if (list != NULL)
        TAILQ_INSERT_TAIL(list, line, entry);
    line->listed = list;
}

/* Bounds have changed. */
static void relist_all(struct queue *queue) REQUIRES(queue->lock) {
    struct line_list all = TAILQ_HEAD_INITIALIZER(all);
    struct line *line;

    TAILQ_CONCAT(&all, &queue->quick, entry);
    TAILQ_CONCAT(&all, &queue->slow, entry);
    TAILQ_CONCAT(&all, &queue->held, entry);
    while ((line = TAILQ_FIRST(&all)) != NULL) {
        TAILQ_REMOVE(&all, line, entry);
        line->listed = NULL;
        queue_relist(queue, line);
    }
}

void queue_take_out(struct queue *queue, struct queued *queued) {
    struct line *line = queued->line;

    TAILQ_REMOVE(&line->jobs, queued, in_line);
    TAILQ_REMOVE(&queue->overdue, queued, in_overdue);
    line->count--;
    queue->count--;
    if (line->count == 0)
        queue_end_full(queue, line);
    queue_relist(queue, line);
    if (queue->blocked > 0)
        cond_broadcast(&queue->room); /* who looks for room may not take it: wake all */
    if (queue->closed && queue->count == 0)
        queue_call_all(queue); /* they end */
}

void queue_insert_overdue(struct queue *queue, struct queued *queued) {
    struct queued *before = TAILQ_LAST(&queue->overdue, queued_list);

    while (before != NULL && before->until > queued->until)
        before = TAILQ_PREV(before, queued_list, in_overdue);
    if (before == NULL)
        TAILQ_INSERT_HEAD(&queue->overdue, queued, in_overdue);
    else
        TAILQ_INSERT_AFTER(&queue->overdue, before, queued, in_overdue);
}

usec_t queue_time_up(const struct queue *queue, const struct line *line, usec_t queued,
                     usec_t full_since) {
    const struct queue_bounds *bounds = &queue->bounds;
    usec_t until = queued + bounds->timeout;

    if (is_full(line) && bounds->full_timeout < until - full_since)
        until = full_since + bounds->full_timeout;
    return until;
}

static size_t line_share(const struct queue_bounds *bounds) {
    size_t share = bounds->lines > 0 ? bounds->capacity / bounds->lines : 0;

    return share > 0 || bounds->capacity == 0 ? share : 1;
}

static bool has_room(const struct queue *queue, const struct line *line) REQUIRES(queue->lock) {
    return queue->unbounded || queue->count < queue->bounds.capacity ||
           line->count < line_share(&queue->bounds);
}

int queue_push(struct queue *queue, struct line *line, struct job *job) {
    struct queued *queued = malloc(sizeof(*queued));
    struct turn *turn = NULL;

    if (queued == NULL)
        return -ENOMEM;
    lock_acquire(&queue->lock);
    bool closed = queue->closed, room = !closed && has_room(queue, line);
    if (room) {
        usec_t now = clock_now();

        queued->line = line_ref(line);
        job_give(&queued->job, job);
        queued->job.record.queued = now;
        queued->until = queue_time_up(queue, line, now, now);
        if (TAILQ_EMPTY(&queue->quick) && TAILQ_EMPTY(&queue->slow))
            queue->served = now;
        TAILQ_INSERT_TAIL(&line->jobs, queued, in_line);
        queue_insert_overdue(queue, queued);
        line->count++;
        queue->count++;
        queue_relist(queue, line);
        turn = queue_call_next(queue, now);
    }
    lock_release(&queue->lock);
    queue_tell(turn);
    if (!room)
        free(queued);
    return room ? 0 : closed ? -ECANCELED : -EAGAIN;
}

enum room queue_wait_room(struct queue *queue, struct line *line) {
    lock_acquire(&queue->lock);
    unsigned nudges = queue->nudges;
    queue->blocked++;
    while (!has_room(queue, line) && queue->nudges == nudges)
        cond_wait(&queue->room, &queue->lock);
    queue->blocked--;
    bool there = has_room(queue, line), closed = queue->unbounded;
    lock_release(&queue->lock);
    return closed ? ROOM_CLOSED : there ? ROOM_THERE : ROOM_NUDGED;
}

void queue_nudge(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->nudges++;
    cond_broadcast(&queue->room);
    lock_release(&queue->lock);
}

void queue_set(struct queue *queue, const struct queue_bounds *bounds) {
    lock_acquire(&queue->lock);
    queue->bounds = *bounds;
    relist_all(queue);
    cond_broadcast(&queue->room);
    struct turn *turn = queue_call_next(queue, clock_now());
    lock_release(&queue->lock);
    queue_tell(turn);
}

/* Sends idle ones away, at most so many: workers, or spare threads that have been idle since before
 * a moment. Returns how many they were. */
static size_t dismiss_idle(struct queue *queue, size_t most, bool spare, usec_t since)
    REQUIRES(queue->lock) {
    struct turn *turn = SLIST_FIRST(&queue->idle);
    size_t n = 0;

    while (turn != NULL && n < most) {
        struct turn *next = SLIST_NEXT(turn, entry);

        if (turn->spare == spare && turn->idle_since < since) {
            SLIST_REMOVE(&queue->idle, turn, turn, entry);
            event_set(&turn->event, TURN_SENT_AWAY); /* wakes, and never blocks */
            n++;
        }
        turn = next;
    }
    return n;
}

void queue_dismiss(struct queue *queue, size_t n) {
    lock_acquire(&queue->lock);
    queue->dismissed += n - dismiss_idle(queue, n, false, USEC_NEVER);
    lock_release(&queue->lock);
}

size_t queue_recall(struct queue *queue, size_t n) {
    lock_acquire(&queue->lock);
    size_t kept = n < queue->dismissed ? n : queue->dismissed;
    queue->dismissed -= kept;
    lock_release(&queue->lock);
    return kept;
}

bool queue_trim(struct queue *queue, usec_t since) {
    lock_acquire(&queue->lock);
    size_t unneeded = queue->spares > queue->away ? queue->spares - queue->away : 0;
    queue->spares -= dismiss_idle(queue, unneeded, true, since);
    bool left = queue->spares > 0;
    lock_release(&queue->lock);
    return left;
}

enum overdue queue_wait_overdue(struct queue *queue, usec_t until, struct job *ret_job) {
    enum overdue what = OVERDUE_NONE;
    struct queued *first;

    lock_acquire(&queue->lock);
    for (;;) {
        usec_t now = clock_now(), wake = until;

        first = TAILQ_FIRST(&queue->overdue);
        if (first != NULL && first->until < wake)
            wake = first->until;
        if (queue->usher_ends || queue->usher_called || wake <= now)
            break;
        queue->usher_until = wake;
        cond_wait_until(&queue->usher, &queue->lock, wake);
        queue->usher_until = 0; /* it is awake, and need not be called */
    }
    if (queue->usher_ends) {
        what = OVERDUE_END;
    } else if (first != NULL && first->until <= clock_now()) {
        what = is_full(first->line) ? OVERDUE_FULL : OVERDUE_JOB;
        queue_take_out(queue, first);
    } else {
        queue->usher_called = false;
    }
    lock_release(&queue->lock);
    if (what == OVERDUE_JOB || what == OVERDUE_FULL) {
        *ret_job = first->job;
        line_unref(first->line);
        free(first);
    }
    return what;
}

void queue_end_overdue(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->usher_ends = true;
    cond_signal(&queue->usher);
    lock_release(&queue->lock);
}

size_t queue_count(struct queue *queue) {
    lock_acquire(&queue->lock);
    size_t n = queue->count;
    lock_release(&queue->lock);
    return n;
}

size_t queue_count_line(struct queue *queue, const struct line *line) {
    lock_acquire(&queue->lock);
    size_t n = line->count;
    lock_release(&queue->lock);
    return n;
}

usec_t queue_stands_since(struct queue *queue) {
    lock_acquire(&queue->lock);
    bool waits = !TAILQ_EMPTY(&queue->quick) || !TAILQ_EMPTY(&queue->slow);
    usec_t since = waits ? queue->served : 0;
    lock_release(&queue->lock);
    return since;
}

void queue_unbind(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->unbounded = true;
    cond_broadcast(&queue->room);
    lock_release(&queue->lock);
}

void queue_close(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->closed = true;
    queue_call_all(queue);
    lock_release(&queue->lock);
}

void queue_hurry(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->hurries = true;
    relist_all(queue);
    queue_call_all(queue);
    lock_release(&queue->lock);
}
