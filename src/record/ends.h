/* How connections end: the rows of record/ends.def. */
#ifndef RECORD_ENDS_H
#define RECORD_ENDS_H

#include <stdbool.h>

enum end {
    END_NONE = 0, /* none, or none yet */
#define END(name, code, failed, sentence, advice) END_##name,
#include "record/ends.def"
#undef END
    END_COUNT
};

struct end_info {
    const char *code;     /* two letters, RELAYD_END */
    bool failed;          /* refused or cut off */
    const char *sentence; /* completes "Connection 17 ..." */
};

extern const struct end_info end_infos[END_COUNT];

#endif
