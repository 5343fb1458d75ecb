#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

#define INTERRUPT_SIGNAL SIGUSR2
static void do_nothing(int signal) {
    (void)signal;
}

void thread_init_process(void) {
    struct sigaction action = {.sa_handler = do_nothing}; /* no SA_RESTART: that is its use */
    sigset_t blocked;

    CHECK(sigaction(INTERRUPT_SIGNAL, &action, NULL) == 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* splice has no MSG_NOSIGNAL */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &blocked, NULL) == 0);
}

static void *run_thread(void *arg) {
    struct thread *thread = arg;

    (void)prctl(PR_SET_NAME, thread->name);
    thread->fn(thread->arg);
    lock_acquire(&thread->lock);
    thread->ended = true;
    cond_signal(&thread->ending);
    lock_release(&thread->lock);
    return NULL;
}

int thread_start(struct thread *thread, const char *name, const struct stack *stack, thread_fn *fn,
                 void *arg) UNCHECKED {
    pthread_attr_t attr;
    int r;

    *thread = (struct thread){.fn = fn, .arg = arg};
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    lock_init(&thread->lock, RANK_LEAF);
    cond_init(&thread->ending);
    r = pthread_attr_init(&attr);
    if (r == 0) {
        if (stack != NULL)
            r = pthread_attr_setstack(&attr, stack->base, stack->size);
        if (r == 0)
            r = pthread_create(&thread->id, &attr, run_thread, thread);
        pthread_attr_destroy(&attr);
    }
    thread->running = r == 0;
    if (r != 0) {
        cond_destroy(&thread->ending);
        lock_destroy(&thread->lock);
    }
    return -r;
}

void thread_join(struct thread *thread) {
    if (!thread->running)
        return;
    CHECK(pthread_join(thread->id, NULL) == 0);
    thread->running = false;
    cond_destroy(&thread->ending);
    lock_destroy(&thread->lock);
}

void thread_abandon(struct thread *thread) {
    if (thread->running)
        CHECK(pthread_detach(thread->id) == 0);
    thread->running = false;
}

void thread_interrupt(struct thread *thread) {
    if (thread->running)
        CHECK(pthread_kill(thread->id, INTERRUPT_SIGNAL) == 0);
}

void thread_interrupt_join(struct thread *thread) {
    CHECK(thread_interrupt_join_until(thread, USEC_NEVER));
}

bool thread_join_until(struct thread *thread, usec_t deadline) {
    if (!thread->running)
        return true;
    lock_acquire(&thread->lock);
    while (!thread->ended && clock_now() < deadline)
        cond_wait_until(&thread->ending, &thread->lock, deadline);
    bool ended = thread->ended;
    lock_release(&thread->lock);
    if (ended)
        thread_join(thread);
    return ended;
}

bool thread_interrupt_join_until(struct thread *thread, usec_t deadline) {
    bool ended = false;

    if (!thread->running)
        return true;
    lock_acquire(&thread->lock);
    for (usec_t now = clock_now(); !thread->ended && now < deadline; now = clock_now()) {
        CHECK(pthread_kill(thread->id, INTERRUPT_SIGNAL) == 0); /* interrupt_note */
        cond_wait_until(&thread->ending, &thread->lock, now + THREAD_INTERRUPT_AGAIN);
    }
    ended = thread->ended;
    lock_release(&thread->lock);
    if (ended)
        thread_join(thread);
    return ended;
}

/* Takes back what glibc registered at the thread's start. RSEQ_SIG is the ABI's constant. */
static void drop_rseq(void) {
#if defined(SYS_rseq) && defined(RSEQ_SIG)
    enum { UNREGISTER = 1, SIZE_AT_LEAST = 32 }; /* linux/rseq.h; the first version of the struct */
    size_t size = __rseq_size > SIZE_AT_LEAST ? __rseq_size : SIZE_AT_LEAST;
    char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

    if (__rseq_size > 0)
        (void)syscall(SYS_rseq, area, size, UNREGISTER, RSEQ_SIG);
#endif
}

void thread_lighten(void) {
    struct sched_param param = {0};

    (void)sched_setscheduler(0, SCHED_BATCH, &param);
    drop_rseq();
}
