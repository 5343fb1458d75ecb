#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/resolver.h"

#define ADDRESSES_MAX 64 /* of one name; a longer answer is cut */

struct addr_list *addr_list_new(const struct addr *addrs, size_t n) {
    struct addr_list *list = malloc(sizeof(*list) + n * sizeof(list->addrs[0]));

    if (list == NULL)
        return NULL;
    atomic_init(&list->refs, 1);
    list->n = n;
    memcpy(list->addrs, addrs, n * sizeof(addrs[0]));
    return list;
}

struct addr_list *addr_list_ref(struct addr_list *list) {
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void addr_list_unref(struct addr_list *list) {
    if (list != NULL && atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) == 1)
        free(list);
}

static bool holds(const struct addr *addrs, size_t n, const struct addr *one) {
    for (size_t i = 0; i < n; i++)
        if (addr_equal(&addrs[i], one))
            return true;
    return false;
}

const char *resolver_lookup_libc(const char *host, unsigned port, struct addr_list **ret_list) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct addr addrs[ADDRESSES_MAX];
    char service[8];
    size_t n = 0;

    *ret_list = NULL;
    snprintf(service, sizeof(service), "%u", port % 65536);
    int r = getaddrinfo(host, service, &hints, &found);
    if (r != 0)
        return r == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(r);
    for (struct addrinfo *ai = found; ai != NULL && n < ADDRESSES_MAX; ai = ai->ai_next) {
        struct addr one = {0};

        if (ai->ai_addrlen > sizeof(one.u))
            continue;
        one.len = ai->ai_addrlen;
        memcpy(&one.u, ai->ai_addr, ai->ai_addrlen);
        if (!holds(addrs, n, &one))
            addrs[n++] = one;
    }
    freeaddrinfo(found);
    if (n == 0)
        return "no address of a kind that can be dialled";
    *ret_list = addr_list_new(addrs, n);
    return *ret_list != NULL ? NULL : "no memory";
}
