/* The certificates of listeners and of upstreams: GET /certificates.json. */
#ifndef CONTROL_CERTIFICATES_H
#define CONTROL_CERTIFICATES_H

#include "control/question.h"

struct reply certificates_reply(const struct question *question);

/* What of a listener's TLS, and an upstream's, there is to know at a glance: an object, or null
 * without TLS. Any thread. */
json_t *certificates_sum_listener(const struct listener_config *listener);
json_t *certificates_sum_upstream(const struct upstream_config *upstream);

#endif
