/* Locks and conditions, wrapped once: ranked (a debug build aborts on a descending or equal
 * acquire) and annotated for clang's -Wthread-safety.
 *
 * Two ranks: the outer one, for what is not on the road (start, reload, stop), and leaves: under a
 * leaf take no other lock and call nothing that blocks, logs or allocates. Members under
 * a lock carry GUARDED, which names none (C cannot name a sibling member); functions that touch
 * them are annotated or hold it in plain sight. */
#ifndef BASE_SYNC_H
#define BASE_SYNC_H

#include <pthread.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/clock.h"

#ifdef __clang__
#define SYNC_ATTR(x) __attribute__((x))
#else
#define SYNC_ATTR(x)
#endif

#define CAPABILITY     SYNC_ATTR(capability("mutex"))
#define ACQUIRES(lock) SYNC_ATTR(acquire_capability(lock))
#define RELEASES(lock) SYNC_ATTR(release_capability(lock))
#define REQUIRES(lock) SYNC_ATTR(requires_capability(lock))
#define GUARDED        SYNC_ATTR(guarded_var)
#define UNCHECKED      SYNC_ATTR(no_thread_safety_analysis)

enum lock_rank { RANK_OUTER = 1, RANK_LEAF = 2 };

struct CAPABILITY lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
};

struct cond {
    pthread_cond_t cond;
};

/* For a static lock. */
#define LOCK_INITIAL(its_rank)                                                                     \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (its_rank) }

/* init cannot fail on Linux (pthread_mutex_init(3)). Destroy only what is free. */
void lock_init(struct lock *lock, enum lock_rank rank);
void lock_destroy(struct lock *lock);
void lock_acquire(struct lock *lock) ACQUIRES(*lock);
void lock_release(struct lock *lock) RELEASES(*lock);

void cond_init(struct cond *cond);
void cond_destroy(struct cond *cond);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

/* Wait for a signal, the lock released meanwhile; spurious wake-ups happen. False: clock_now() has
 * reached the deadline (USEC_NEVER: never). */
void cond_wait(struct cond *cond, struct lock *lock) REQUIRES(*lock);
bool cond_wait_until(struct cond *cond, struct lock *lock, usec_t deadline) REQUIRES(*lock);

#endif
