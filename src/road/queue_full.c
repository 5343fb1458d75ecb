/* full_line: jobs for which no server has room. */
#include <stdatomic.h>
#include <stdlib.h>

#include "road/queue_inside.h"

void queue_end_full(struct queue *queue, struct line *line) {
    line->tries = 0;
    line->probes = false;
    queue->n_full -= atomic_exchange(&line->full, false);
}

void queue_note_outcome(struct line *line, const struct turn *turn) UNCHECKED {
    if (turn->outcome == TURN_PUT_BACK)
        return;
    if (turn->outcome == TURN_OPEN)
        atomic_fetch_add(&line->left, 1); /* the places that it had while it dialled */
    if (atomic_load(&line->full) && (turn->outcome == TURN_OPEN || line->probes))
        line->tries++;
}

/* Those that wait already wait for the full line from now on. */
static void shorten_waits(struct queue *queue, struct line *line, usec_t now)
    REQUIRES(queue->lock) {
    struct queued *queued;

    TAILQ_FOREACH(queued, &line->jobs, in_line) {
        TAILQ_REMOVE(&queue->overdue, queued, in_overdue);
        queued->until = queue_time_up(queue, line, queued->job.record.queued, now);
        queue_insert_overdue(queue, queued);
    }
}

static void shorten_all(struct queue *queue, struct line_list *lines, usec_t now)
    REQUIRES(queue->lock) {
    struct line *line;

    TAILQ_FOREACH(line, lines, entry)
        if (atomic_load(&line->full))
            shorten_waits(queue, line, now);
}

void queue_bound_full(struct queue *queue, usec_t most) {
    usec_t now = clock_now();

    lock_acquire(&queue->lock);
    if (most < queue->bounds.full_timeout) {
        queue->bounds.full_timeout = most;
        shorten_all(queue, &queue->held, now);
        shorten_all(queue, &queue->quick, now);
        shorten_all(queue, &queue->slow, now);
        queue_call_usher(queue);
    }
    lock_release(&queue->lock);
}

static void become_full(struct queue *queue, struct line *line, usec_t now) REQUIRES(queue->lock) {
    if (line->queue == NULL) { /* then nobody has read it yet: line_leave looks at `full` first */
        line->queue = queue;
        line->on_left = queue_left;
    }
    queue->n_full += !atomic_exchange(&line->full, true);
    if (queue->bounds.full_timeout < queue->bounds.timeout)
        shorten_waits(queue, line, now);
    queue_call_usher(queue);
}

/* Before those that came after it. */
static void insert_first(struct line *line, struct queued *queued) UNCHECKED {
    struct queued *after = TAILQ_FIRST(&line->jobs);

    while (after != NULL && after->job.record.queued < queued->job.record.queued)
        after = TAILQ_NEXT(after, in_line);
    if (after == NULL)
        TAILQ_INSERT_TAIL(&line->jobs, queued, in_line);
    else
        TAILQ_INSERT_BEFORE(after, queued, in_line);
    line->count++;
}

bool queue_put_back(struct queue *queue, struct turn *turn, struct job *job) {
    struct queued *queued = malloc(sizeof(*queued));
    usec_t now = clock_now(), since = job->full_since != 0 ? job->full_since : now;
    struct line *line = turn->line;

    if (queued == NULL)
        return false;
    lock_acquire(&queue->lock);
    if (!atomic_load(&line->full))
        become_full(queue, line, now);
    line->probes = false;
    queued->until = queue_time_up(queue, line, job->record.queued, since);
    bool back = queued->until > now && !queue->hurries;
    if (back) {
        queued->line = line_ref(line);
        job_give(&queued->job, job);
        queued->job.full_since = since;
        turn->outcome = TURN_PUT_BACK;
        if (atomic_load(&line->left) != turn->left) /* see line_leave */
            line->tries++;
        insert_first(line, queued);
        queue_insert_overdue(queue, queued);
        queue->count++;
        queue_relist(queue, line);
    } else if (line->count == 0) {
        queue_end_full(queue, line);
    }
    struct turn *next = queue_call_next(queue, now);
    lock_release(&queue->lock);
    queue_tell(next);
    if (!back)
        free(queued);
    return back;
}

static void let_look(struct queue *queue, struct line *line) REQUIRES(queue->lock) {
    line->tries++;
    queue_relist(queue, line);
}

void queue_left(struct queue *queue, struct line *line) {
    struct turn *next = NULL;

    lock_acquire(&queue->lock);
    if (atomic_load(&line->full)) {
        let_look(queue, line);
        next = queue_call_next(queue, clock_now());
    }
    lock_release(&queue->lock);
    queue_tell(next);
}

/* A reload, or a server that comes up, may have brought room. */
bool queue_retry_full(struct queue *queue) {
    struct line *line, *after;

    lock_acquire(&queue->lock);
    bool any = queue->n_full > 0;
    for (line = any ? TAILQ_FIRST(&queue->held) : NULL; line != NULL; line = after) {
        after = TAILQ_NEXT(line, entry);
        if (!atomic_load(&line->full) || line->tries > 0)
            continue;
        line->probes = true;
        let_look(queue, line);
    }
    struct turn *next = queue_call_next(queue, clock_now());
    lock_release(&queue->lock);
    queue_tell(next);
    return any;
}

size_t queue_count_full(struct queue *queue, struct line *line) {
    if (!atomic_load(&line->full))
        return 0;
    lock_acquire(&queue->lock);
    size_t n = atomic_load(&line->full) ? line->count : 0;
    lock_release(&queue->lock);
    return n;
}
