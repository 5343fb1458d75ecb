#include "record/ends.h"

#include <stdatomic.h>

#include "base/meter.h"

const struct end_info end_infos[END_COUNT] = {
    [END_NONE] = {.code = "--", .brief = "live", .sentence = "has not ended", .counter = STAT_NONE},
#define END(name, code, failed, phase, answer, status, counter, brief, text, advice)               \
    [END_##name] = {code,  failed, END_PHASE_##phase, END_ANSWER_##answer, status, counter,        \
                    brief, text},
#include "record/ends.def"
};

static _Atomic uint64_t totals[END_COUNT];
static struct meter recent[END_COUNT];

void end_count(enum end end) {
    enum counter counter = end_infos[end].counter;

    if (counter != STAT_NONE)
        stats_add(counter, 1);
    atomic_fetch_add_explicit(&totals[end], 1, memory_order_relaxed);
    if (end_infos[end].failed)
        meter_add(&recent[end], END_PERIOD, clock_coarse());
}

uint64_t end_total(enum end end) {
    return atomic_load_explicit(&totals[end], memory_order_relaxed);
}

unsigned end_count_recent(enum end end) {
    return (unsigned)(meter_count(&recent[end], END_PERIOD, clock_coarse()) + 0.5);
}
