/* Looks names up once, without a thread and without a word in the log: who checks a configuration
 * wants to know now which of them nobody knows. */
#ifndef NAMES_SURVEY_H
#define NAMES_SURVEY_H

#include <stddef.h>

#include "base/addr.h"
#include "base/clock.h"
#include "names/dns.h"
#include "names/host.h"

enum survey_outcome {
    SURVEY_NO_ANSWER, /* until the deadline, or no memory */
    SURVEY_FOUND,     /* it has an address */
    SURVEY_ABSENT,    /* DNS, or /etc/hosts alone, says that it has none */
    SURVEY_FAILED,    /* no answer that counts */
    SURVEY_REPEATS    /* the list has it before */
};

/* The first two are the caller's. */
struct survey_name {
    const struct addr_spec *spec; /* ADDR_NAME or ADDR_SRV */
    const void *whose;
    enum survey_outcome outcome;
    const char *why; /* in words, for good; NULL if found or without an answer */
    struct survey *survey;
    struct host *host;
    struct service *service;
    struct wish wish;
};

/* Sets the outcome of each, as soon as all have one, at the latest at the deadline. */
void survey_names(const struct dns_ops *ops, struct survey_name *list, size_t n, usec_t deadline);

#endif
