/* The certificates of listeners and of upstreams: GET /certificates.json. */
#ifndef CONTROL_CERTIFICATES_H
#define CONTROL_CERTIFICATES_H

#include "control/question.h"

struct reply certificates_reply(const struct question *question);

#endif
