#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *cond, const char *file, int line) {
    fprintf(stderr, "relayd: bug: \"%s\" does not hold at %s:%d; aborting\n", cond, file, line);
    abort();
}
