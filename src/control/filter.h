/* Which connections are asked for: listener=, server=, client=, tls_client=; of ends end=, failed=;
 * of those there are id=, age=, rate=. */
#ifndef CONTROL_FILTER_H
#define CONTROL_FILTER_H

#include <stdbool.h>

#include "base/prefix.h"
#include "config/config.h"
#include "record/bearer.h"

/* Texts are copied, with room for one more than a name has: what is cut is no name. */
struct filter {
    char listener[CONFIG_NAME_MAX + 1], server[2 * CONFIG_NAME_MAX + 1]; /* "": whichever */
    char tls_client[PROXY_SUBJECT_MAX + 1]; /* "": whoever, with a certificate or without */
    char end[4];
    bool failed;
    bool by_client; /* else whoever */
    struct prefix client;
    int64_t id;   /* -1: whichever */
    usec_t age;   /* so old, or older */
    int64_t rate; /* bytes a second over its life, both ways, or more */
};

#define FILTER_WHY_MAX 256

/* argument: as in struct question. False: ret_why is a sentence. Pure. */
bool filter_read(struct filter *ret_filter, const char *(*argument)(void *arg, const char *name),
                 void *arg, char ret_why[FILTER_WHY_MAX]) MUST_USE;

/* Whether all that is asked of these is met. client: of any port. Pure; any thread. */
bool filter_takes(const struct filter *filter, const char *listener, const char *upstream,
                  const char *server, const struct addr *client);

/* Likewise: by the certificate that its client has shown; "" and "": none. */
bool filter_takes_bearer(const struct filter *filter, const char *subject, const char *fingerprint);

/* The rest of it, for one that is there: its number, its age, and the bytes that it carried. */
bool filter_takes_live(const struct filter *filter, uint64_t number, usec_t age, uint64_t bytes);

/* Nothing is asked for: it takes all. */
bool filter_is_empty(const struct filter *filter);

#endif
