/* Threads with names, and the one way to wake one blocked on anything but a data socket: a signal
 * that only interrupts.
 *
 * interrupt_note: a signal just before the system call is lost, so it is sent again every few
 * milliseconds until the thread has ended. Whoever interrupts first sets the flag that the thread
 * reads after EINTR. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/stack.h"
#include "base/sync.h"

#define THREAD_INTERRUPT_AGAIN (10 * USEC_PER_MSEC) /* interrupt_note */

typedef void thread_fn(void *arg);

struct thread {
    pthread_t id;
    bool running; /* started and not yet joined; the owner's, not the thread's */
    thread_fn *fn;
    void *arg;
    char name[16]; /* PR_SET_NAME, prctl(2): 15 characters */
    struct lock lock;
    struct cond ending;
    bool ended GUARDED; /* fn has returned */
};

/* Gives the interrupting signal an empty handler; blocks the signals that main waits for in threads
 * to come. Once, before any thread. */
void thread_init_process(void);

/* name: at most 15 characters, prctl(2). stack stays the caller's; NULL: libc's. thread must not
 * move until joined. 0 or -errno (-EAGAIN: a limit on threads). */
int thread_start(struct thread *thread, const char *name, const struct stack *stack, thread_fn *fn,
                 void *arg) MUST_USE;

/* Returns at once if it never started. */
void thread_join(struct thread *thread);

/* The same until the deadline. False: it has not ended, and stays unjoined. */
bool thread_join_until(struct thread *thread, usec_t deadline) MUST_USE;

/* Once, if it runs; perhaps just before the call to be interrupted. */
void thread_interrupt(struct thread *thread);

/* Interrupts until it has ended (interrupt_note). It was told to stop before. */
void thread_interrupt_join(struct thread *thread);

/* The same until the deadline. False: it has not ended, and stays unjoined. */
bool thread_interrupt_join_until(struct thread *thread, usec_t deadline) MUST_USE;

/* At the end of the process: it may still run, nobody will join it. */
void thread_abandon(struct thread *thread);

/* Makes the calling thread, which carries traffic, cheap to wake and switch to. SCHED_BATCH
 * (sched(7)): its wake-up does not interrupt what runs on the CPU, which would rather wake more of
 * them. No restartable sequences (rseq(2)), unused, which cost at each switch. Where forbidden or
 * unknown, nothing changes. */
void thread_lighten(void);

#endif
