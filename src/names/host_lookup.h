/* How a host's families are looked up, and what an answer does to both. The resolver's thread. */
#ifndef NAMES_HOST_LOOKUP_H
#define NAMES_HOST_LOOKUP_H

#include "names/host.h"

/* Begins to look up a family of which nothing is asked yet. */
void host_ask(struct host *host, struct family *family);

/* It is due now. */
void host_hurry(struct host *host, struct family *family);

#endif
