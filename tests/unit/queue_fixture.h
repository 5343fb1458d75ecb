/* What the tests of the queue share: a queue with two lines, pushes and turns by hand, and workers
 * that count. Not every test uses all of it. */
#ifndef QUEUE_FIXTURE_H
#define QUEUE_FIXTURE_H

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "road/queue.h"

/* A queue with two lines, and spare threads that are only counted. */
struct fixture {
    struct queue queue;
    struct line *line, *other;
    _Atomic size_t spares;
    bool no_spares;
};

static inline int count_spare(void *arg) {
    struct fixture *fixture = arg;

    if (fixture->no_spares)
        return -EAGAIN;
    atomic_fetch_add(&fixture->spares, 1);
    return 0;
}

static inline void set_bounds(struct fixture *fixture, size_t workers, size_t capacity,
                              usec_t timeout) {
    const struct queue_bounds bounds = {.workers = workers,
                                        .capacity = capacity,
                                        .lines = 2,
                                        .timeout = timeout,
                                        .full_timeout = USEC_NEVER};

    queue_set(&fixture->queue, &bounds);
}

static inline void begin(struct fixture *fixture, size_t workers, size_t capacity) {
    *fixture = (struct fixture){.line = line_new(), .other = line_new()};
    assert_non_null(fixture->line);
    assert_non_null(fixture->other);
    queue_init(&fixture->queue, count_spare, fixture);
    set_bounds(fixture, workers, capacity, USEC_PER_SEC * 60);
}

static inline void end(struct fixture *fixture) {
    queue_destroy(&fixture->queue);
    line_unref(fixture->line);
    line_unref(fixture->other);
}

static inline struct job job_number(uint64_t number) {
    return (struct job){.has = {.client = (int)number + 1000, .server = -1},
                        .record = {.number = number}};
}

static inline int push(struct fixture *fixture, struct line *line, uint64_t number) {
    struct job job = job_number(number);
    int r = queue_push(&fixture->queue, line, &job);

    /* given away and blanked, or untouched */
    assert_int_equal(job.has.client, r == 0 ? -1 : (int)number + 1000);
    return r;
}

/* The next job, which there is; the turn goes on. */
static inline uint64_t take(struct fixture *fixture, struct turn *turn) {
    struct job job;

    assert_true(queue_pop(&fixture->queue, turn, &job));
    assert_int_equal(job.has.client, (int)job.record.number + 1000);
    return job.record.number;
}

/* Ends the turns, all of which are of jobs of lines where nothing waits. */
static inline void end_turns(struct fixture *fixture, struct turn *turns, size_t n) {
    queue_close(&fixture->queue);
    for (size_t i = 0; i < n; i++)
        assert_false(queue_pop(&fixture->queue, &turns[i], &(struct job){0}));
}

struct worker {
    struct fixture *fixture;
    struct thread thread;
    struct turn turn;
    uint64_t sum; /* of the numbers taken */
    atomic_bool ended;
    pthread_barrier_t *meeting;
};

static inline void work(void *arg) {
    struct worker *worker = arg;
    struct job job;

    while (queue_pop(&worker->fixture->queue, &worker->turn, &job)) {
        worker->sum += job.record.number;
        if (worker->meeting != NULL)
            (void)pthread_barrier_wait(worker->meeting);
    }
    atomic_store(&worker->ended, true);
}

static inline void start_worker(struct worker *worker, struct fixture *fixture, bool spare,
                                pthread_barrier_t *meeting) {
    *worker = (struct worker){.fixture = fixture, .turn = {.spare = spare}, .meeting = meeting};
    assert_int_equal(thread_start(&worker->thread, "worker", NULL, work, worker), 0);
}

static inline void wait_until_idle(struct queue *queue, size_t number) {
    for (size_t idle = 0; idle < number;) {
        struct turn *turn;

        idle = 0;
        lock_acquire(&queue->lock);
        SLIST_FOREACH(turn, &queue->idle, entry)
            idle++;
        lock_release(&queue->lock);
    }
}

#endif
