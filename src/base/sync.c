#include "base/sync.h"

#include <errno.h>

/* The lock witness of debug builds: how many locks of each rank this thread holds. */
#ifdef RELAYD_DEBUG
static _Thread_local unsigned held_outer, held_leaf;

static void witness_acquire(const struct lock *lock) {
    CHECK(held_leaf == 0);
    if (lock->rank == RANK_OUTER) {
        CHECK(held_outer == 0);
        held_outer++;
    } else {
        held_leaf++;
    }
}

static void witness_release(const struct lock *lock) {
    unsigned *held = lock->rank == RANK_OUTER ? &held_outer : &held_leaf;

    CHECK(*held == 1);
    (*held)--;
}
#else
static void witness_acquire(const struct lock *lock) {
    (void)lock;
}
static void witness_release(const struct lock *lock) {
    (void)lock;
}
#endif

void lock_init(struct lock *lock, enum lock_rank rank) {
    CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
    lock->rank = rank;
}

void lock_destroy(struct lock *lock) {
    CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}

void lock_acquire(struct lock *lock) UNCHECKED {
    witness_acquire(lock);
    CHECK(pthread_mutex_lock(&lock->mutex) == 0);
}

void lock_release(struct lock *lock) UNCHECKED {
    CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
    witness_release(lock);
}

void cond_init(struct cond *cond) {
    pthread_condattr_t attr;

    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&cond->cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

void cond_destroy(struct cond *cond) {
    CHECK(pthread_cond_destroy(&cond->cond) == 0);
}

void cond_signal(struct cond *cond) {
    CHECK(pthread_cond_signal(&cond->cond) == 0);
}

void cond_broadcast(struct cond *cond) {
    CHECK(pthread_cond_broadcast(&cond->cond) == 0);
}

void cond_wait(struct cond *cond, struct lock *lock) {
    CHECK(pthread_cond_wait(&cond->cond, &lock->mutex) == 0);
}

bool cond_wait_until(struct cond *cond, struct lock *lock, usec_t deadline) {
    if (deadline == USEC_NEVER) {
        cond_wait(cond, lock);
        return true;
    }
    struct timespec ts = clock_timespec(deadline);
    int r = pthread_cond_timedwait(&cond->cond, &lock->mutex, &ts);

    CHECK(r == 0 || r == ETIMEDOUT);
    return r == 0;
}
