#include "names/endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/hash.h"
#include "base/order.h"

void endpoints_free(struct endpoints *endpoints) {
    free(endpoints->list);
    *endpoints = (struct endpoints){0};
}

bool endpoints_add(struct endpoints *endpoints, const struct endpoint *endpoint) {
    struct endpoint *list =
        grow_list(endpoints->list, endpoints->n, &endpoints->room, sizeof(*list));

    if (list == NULL)
        return false;
    endpoints->list = list;
    list[endpoints->n++] = *endpoint;
    return true;
}

static int by_address(const void *a, const void *b) {
    const struct endpoint *x = a, *y = b;
    int order = addr_compare(&x->addr, &y->addr);

    return order != 0 ? order : compare_numbers(x->priority, y->priority);
}

static int by_priority(const void *a, const void *b) {
    const struct endpoint *x = a, *y = b;
    int order = compare_numbers(x->priority, y->priority);

    return order != 0 ? order : addr_compare(&x->addr, &y->addr);
}

static uint64_t hash_endpoint(const struct endpoint *endpoint) {
    unsigned char bytes[18] = {0};
    unsigned port = addr_port(&endpoint->addr);

    (void)addr_ipv6_bytes(&endpoint->addr, bytes);
    bytes[16] = (unsigned char)(port >> 8);
    bytes[17] = (unsigned char)port;
    return hash_bytes(bytes, sizeof(bytes));
}

static int by_hash(const void *a, const void *b) {
    const struct endpoint *x = a, *y = b;
    int order = compare_numbers(x->priority, y->priority);
    uint64_t i = hash_endpoint(x), k = hash_endpoint(y);

    return order != 0 ? order : i < k ? -1 : i > k;
}

void endpoints_settle(struct endpoints *endpoints) {
    struct endpoint *list = endpoints->list;
    size_t n = 0;

    if (endpoints->n > 1)
        qsort(list, endpoints->n, sizeof(*list), by_address);
    for (size_t i = 0; i < endpoints->n; i++)
        if (i == 0 || !addr_equal(&list[i].addr, &list[n - 1].addr))
            list[n++] = list[i];
    endpoints->n = endpoints->found = n;
    if (n > ENDPOINTS_MOST) {
        qsort(list, n, sizeof(*list), by_hash);
        endpoints->n = ENDPOINTS_MOST;
    }
    if (endpoints->n > 1)
        qsort(list, endpoints->n, sizeof(*list), by_priority);
}

bool endpoints_equal(const struct endpoints *a, const struct endpoints *b) {
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (by_priority(&a->list[i], &b->list[i]) != 0 || a->list[i].weight != b->list[i].weight)
            return false;
    return true;
}
