/* Threads with names, and the one way to wake a thread that is blocked in a system call on anything
 * but a data socket: a signal that does nothing but interrupt.
 *
 * interrupt_note: a signal that arrives just before the system call is lost, so it is sent again
 * every few milliseconds until the thread has ended. Whoever interrupts first sets the flag that
 * the thread looks at after EINTR. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/stack.h"
#include "base/sync.h"

#define THREAD_INTERRUPT_AGAIN (10 * USEC_PER_MSEC) /* interrupt_note: how often it is sent again */

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

/* Prepares the process: the interrupting signal gets its empty handler; the signals that main waits
 * for are blocked in every thread to come. Once, before any thread. */
void thread_init_process(void);

/* Starts fn(arg) under this name (at most 15 characters, prctl(2)), on this stack, which stays the
 * caller's, or on one of libc's (NULL). thread stays where it is until it is joined. 0 or -errno
 * (-EAGAIN: a limit on threads was met). */
int thread_start(struct thread *thread, const char *name, const struct stack *stack, thread_fn *fn,
                 void *arg) MUST_USE;

/* Waits for its end. Nothing to do if it never started. */
void thread_join(struct thread *thread);

/* Interrupts it once, if it runs; it may be just before the call that should be interrupted. */
void thread_interrupt(struct thread *thread);

/* Interrupts it until it has ended (interrupt_note). The caller has told it to stop. */
void thread_interrupt_join(struct thread *thread);

/* The same until the deadline; false if it has not ended by then, and it stays unjoined. */
bool thread_interrupt_join_until(struct thread *thread, usec_t deadline) MUST_USE;

/* Gives it up at the end of the process: nobody will join it. It may still run. */
void thread_abandon(struct thread *thread);

/* Makes the calling thread cheap to wake and to switch to, for those that carry traffic.
 * SCHED_BATCH (sched(7)): its wake-up does not interrupt what runs on the CPU, which would rather
 * go on and wake more of them. No restartable sequences (rseq(2)), which the kernel looks after at
 * each switch and nothing here uses. Where either is forbidden or unknown, all stays as it is. */
void thread_lighten(void);

#endif
