/* What is wrong with files and options of TLS, told to whoever reads them. */
#ifndef TLS_PROBLEMS_H
#define TLS_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* TLS_NOTED: nothing can be used less for it. TLS_ASKED: it is in order for most; who asks for a
 * check is told. */
enum tls_weight { TLS_WRONG, TLS_DOUBTFUL, TLS_NOTED, TLS_ASKED };

#define TLS_ONLY_VALUE SIZE_MAX

/* option: the one of the section that it is about, NULL: the section; value: the index of which of
 * its values. what is a clause, with a file's path before it where it is one's. */
typedef void tls_problem_fn(void *arg, enum tls_weight weight, const char *option, size_t value,
                            const char *what);

struct tls_problems {
    tls_problem_fn *fn;
    void *arg;
    const char *option; /* what is read now */
    size_t value;
    bool failed; /* one was TLS_WRONG */
};

/* Tells of what is read now. */
void tls_tell(struct tls_problems *problems, enum tls_weight weight, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* "out of memory" */
void tls_tell_no_memory(struct tls_problems *problems);

#endif
