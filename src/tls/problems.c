#include "tls/problems.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#define WHAT_MAX (PATH_MAX + 1024)

void tls_tell(struct tls_problems *problems, enum tls_weight weight, const char *fmt, ...) {
    char what[WHAT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    problems->failed |= weight == TLS_WRONG;
    problems->fn(problems->arg, weight, problems->option, problems->value, what);
}

void tls_tell_no_memory(struct tls_problems *problems) {
    tls_tell(problems, TLS_WRONG, "out of memory");
}
