#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define INTERRUPT_SIGNAL SIGUSR2
#define INTERRUPT_AGAIN  (10 * USEC_PER_MSEC) /* interrupt_note: how often it is sent again */
#define NAME_SIZE        16                   /* PR_SET_NAME, prctl(2) */

struct start {
    thread_fn *fn;
    void *arg;
    char name[NAME_SIZE];
};

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

static void *run(void *arg) {
    struct start start = *(struct start *)arg;

    free(arg);
    (void)prctl(PR_SET_NAME, start.name);
    start.fn(start.arg);
    return NULL;
}

static int set_stack(pthread_attr_t *attr, size_t size) {
    if (size == 0)
        return 0;
    if (size < thread_small_stack())
        size = thread_small_stack();
    return pthread_attr_setstacksize(attr, size);
}

int thread_start(struct thread *thread, const char *name, size_t stack_size, thread_fn *fn,
                 void *arg) {
    struct start *start = malloc(sizeof(*start));
    pthread_attr_t attr;
    int r;

    if (start == NULL)
        return -ENOMEM;
    *start = (struct start){.fn = fn, .arg = arg};
    for (size_t i = 0; i < NAME_SIZE - 1 && name[i] != '\0'; i++)
        start->name[i] = name[i];
    r = pthread_attr_init(&attr);
    if (r == 0) {
        r = set_stack(&attr, stack_size);
        if (r == 0)
            r = pthread_create(&thread->id, &attr, run, start);
        pthread_attr_destroy(&attr);
    }
    thread->running = r == 0;
    if (r != 0)
        free(start);
    return -r;
}

void thread_join(struct thread *thread) {
    if (!thread->running)
        return;
    CHECK(pthread_join(thread->id, NULL) == 0);
    thread->running = false;
}

void thread_interrupt_join(struct thread *thread) {
    CHECK(thread_interrupt_join_until(thread, USEC_NEVER));
}

bool thread_interrupt_join_until(struct thread *thread, usec_t deadline) {
    while (thread->running) {
        usec_t now = clock_now();
        struct timespec again = clock_timespec(now + INTERRUPT_AGAIN);

        if (now >= deadline)
            return false;
        /* ESRCH would be a thread that has ended: it is joined just below. */
        (void)pthread_kill(thread->id, INTERRUPT_SIGNAL);
        int r = pthread_clockjoin_np(thread->id, NULL, CLOCK_MONOTONIC, &again);

        CHECK(r == 0 || r == ETIMEDOUT);
        thread->running = r != 0;
    }
    return true;
}

size_t thread_small_stack(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 512 * 1024;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 512 * 1024;
#else
    return 32 * 1024;
#endif
#else
    return 32 * 1024;
#endif
}
