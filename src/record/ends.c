#include "record/ends.h"

const struct end_info end_infos[END_COUNT] = {
    [END_NONE] = {.code = "--", .brief = "live", .sentence = "has not ended", .counter = STAT_NONE},
#define END(name, code, failed, phase, answer, status, counter, brief, text, advice)               \
    [END_##name] = {code,  failed, END_PHASE_##phase, END_ANSWER_##answer, status, counter,        \
                    brief, text},
#include "record/ends.def"
};

void end_count(enum end end) {
    enum counter counter = end_infos[end].counter;

    if (counter != STAT_NONE)
        stats_add(counter, 1);
}
