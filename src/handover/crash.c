#include "handover/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/kill_point.h"

#define WINDOW (60 * USEC_PER_SEC)

static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static struct sigaction before[ARRAY_LEN(numbers)]; /* what was done at these */
static struct table *_Atomic watched;
static atomic_flag noted = ATOMIC_FLAG_INIT;
static _Thread_local uint32_t at = CRASH_NOBODY;

void crash_at(uint32_t slot) {
    at = slot;
}

void crash_note(usec_t crashes[CONN_CRASHES], usec_t now) {
    for (int i = CONN_CRASHES - 1; i > 0; i--)
        crashes[i] = crashes[i - 1];
    crashes[0] = now;
}

bool crash_is_often(const usec_t crashes[CONN_CRASHES], usec_t now) {
    for (int i = 0; i < CONN_CRASHES; i++)
        if (crashes[i] <= 0 || crashes[i] > now || now - crashes[i] > WINDOW)
            return false;
    return true;
}

/* Calls nothing that a signal handler must not (signal-safety(7)). Then the signal has its former
 * action: a fault happens again, abort(3) goes on, and another process's signal is raised again. */
static void on_crash(int number, siginfo_t *info, void *context) {
    struct table *table = atomic_load(&watched);
    bool own = info->si_code > 0 || info->si_pid == getpid();

    (void)context;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i] == number)
            (void)sigaction(number, &before[i], NULL);
    if (own && table != NULL && !atomic_flag_test_and_set(&noted)) {
        usec_t now = clock_now();

        atomic_store(&table->head->adopting, 0); /* it is noted here */
        crash_note(table->head->crashes, now);
        if (at < table->n)
            crash_note(table->states[at].crashes, now);
    }
    if (info->si_code <= 0)
        (void)raise(number);
}

/* A test has it die, which no connection is to blame for. */
static void blame_nobody(void) {
    struct table *table = atomic_load(&watched);

    if (table != NULL)
        atomic_store(&table->head->adopting, 0);
}

void crash_watch(struct table *table) {
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};

    if (KILL_POINTS)
        kill_point_at_death(blame_nobody);
    if (atomic_exchange(&watched, table) != NULL || table == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void)sigaction(numbers[i], &action, &before[i]);
}
