#ifndef UPSTREAM_NAMES_H
#define UPSTREAM_NAMES_H
#include <stdbool.h>
#include "base/addr.h"
#include "base/clock.h"
#include "upstream/dns.h"
typedef void names_answer_fn(void *arg, const struct dns_answer *answer, const char *why);
struct names;
struct names *names_new(void);
bool names_add(struct names *names, const struct addr_spec *spec, usec_t interval, names_answer_fn *answered, void *arg) MUST_USE;
int names_start(struct names *names) MUST_USE;
void names_retire(struct names *names);
void names_free(struct names *names);
#endif
