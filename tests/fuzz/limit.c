/* Ends a target once it has used a processor for FUZZ_SECONDS, however busy the machine is. */
#include "fuzz.h"

#include <signal.h>
#include <time.h>

/* libFuzzer calls it first. Returns 0. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    /* At this signal libFuzzer ends between two inputs, with its statistics and status 0. */
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec after = {.it_value = {.tv_sec = FUZZ_SECONDS}};
    timer_t timer;

    (void)argc;
    (void)argv;
    CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &after, NULL) == 0);
    return 0;
}
