/* All wishes of a configuration. */
#ifndef LISTEN_LISTEN_WISHES_H
#define LISTEN_LISTEN_WISHES_H

#include "listen/listen_names.h"
#include "listen/listen_wish.h"

/* Lists them, given the addresses of names. 0 or -errno. The caller frees the list. */
int listen_wishes(const struct config *config, const struct listen_names *names,
                  struct listen_wish **ret_list, size_t *ret_n) MUST_USE;

#endif
