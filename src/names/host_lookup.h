/* How families are looked up, and what an answer does to both. The resolver's thread. */
#ifndef NAMES_HOST_LOOKUP_H
#define NAMES_HOST_LOOKUP_H

#include "names/host.h"

/* Begins to look one up that is not under way. */
void host_ask(struct host *host, struct family *family);

/* It is due now. */
void host_hurry(struct host *host, struct family *family);

#endif
