#include "upstream/server.h"

#include <stdlib.h>
#include <string.h>

bool server_learn(struct server *server, const struct endpoint *list, size_t n) {
    struct endpoint *copy = calloc(n + 1, sizeof(*copy));

    if (copy == NULL)
        return false;
    if (n > 0)
        memcpy(copy, list, n * sizeof(*copy));
    free(server->endpoints);
    server->endpoints = copy;
    server->n_endpoints = n;
    server->changed = true;
    return true;
}
