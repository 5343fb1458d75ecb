#include "upstream/dns_srv.h"

#include <ares.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HEADER_SIZE   12 /* RFC 1035, 4.1.1 */
#define QUESTION_SIZE 4  /* type and class, after the name: 4.1.2 */
#define RECORD_SIZE   10 /* type, class, TTL, length, after the name: 4.1.3 */
#define SRV_SIZE      6  /* priority, weight, port, before the target: RFC 2782 */
#define TYPE_CNAME    5
#define TYPE_SRV      33
#define CLASS_IN      1

static unsigned read16(const unsigned char *at) {
    return (unsigned)at[0] << 8 | at[1];
}

/* The size of the name at this place, compressed or not; 0: it is none. *ret_name (NULL: not wanted) gets it. */
static size_t read_name(const unsigned char *reply, size_t size, size_t at, char *ret_name,
                        size_t room) {
    char *name = NULL;
    long length = 0;

    if (at >= size ||
        ares_expand_name(reply + at, reply, (int)size, &name, &length) != ARES_SUCCESS)
        return 0;
    bool fits = ret_name == NULL || strlen(name) < room;
    if (fits && ret_name != NULL)
        snprintf(ret_name, room, "%s", name);
    ares_free_string(name);
    return fits && length > 0 ? (size_t)length : 0;
}

static bool read_srv(const unsigned char *reply, size_t size, size_t at, size_t length,
                     struct dns_srv *srv) {
    if (length <= SRV_SIZE)
        return false;
    srv->priority = read16(reply + at);
    srv->weight = read16(reply + at + 2);
    srv->port = read16(reply + at + 4);
    return read_name(reply, size, at + SRV_SIZE, srv->host, sizeof(srv->host)) != 0;
}

/* Puts it behind those that are used before it. If the list is full, the last one is left out. */
static int insert(struct dns_srv list[DNS_SRV_MAX], int n, const struct dns_srv *srv) {
    int at = n;

    while (at > 0 && list[at - 1].priority > srv->priority)
        at--;
    if (at == DNS_SRV_MAX)
        return n;
    n = n < DNS_SRV_MAX ? n + 1 : n;
    memmove(&list[at + 1], &list[at], (size_t)(n - 1 - at) * sizeof(*list));
    list[at] = *srv;
    return n;
}

int dns_srv_parse(const unsigned char *reply, size_t size, struct dns_srv list[DNS_SRV_MAX],
                  usec_t *ret_ttl) {
    usec_t ttl = (usec_t)INT_MAX * USEC_PER_SEC;
    size_t at = HEADER_SIZE;
    int n = 0;

    if (size < HEADER_SIZE || size > UINT16_MAX)
        return -1;
    for (unsigned questions = read16(reply + 4); questions > 0; questions--) {
        size_t name = read_name(reply, size, at, NULL, 0);

        if (name == 0 || size - at - name < QUESTION_SIZE)
            return -1;
        at += name + QUESTION_SIZE;
    }
    for (unsigned answers = read16(reply + 6); answers > 0; answers--) {
        size_t name = read_name(reply, size, at, NULL, 0);

        if (name == 0 || size - at - name < RECORD_SIZE)
            return -1;
        const unsigned char *record = reply + at + name;
        unsigned type = read16(record + 2) == CLASS_IN ? read16(record) : 0;
        usec_t its_ttl =
            (usec_t)((uint32_t)read16(record + 4) << 16 | read16(record + 6)) * USEC_PER_SEC;
        size_t length = read16(record + 8);
        struct dns_srv srv;

        at += name + RECORD_SIZE;
        if (size - at < length || (type == TYPE_SRV && !read_srv(reply, size, at, length, &srv)))
            return -1;
        if (type == TYPE_SRV)
            n = insert(list, n, &srv);
        if ((type == TYPE_SRV || type == TYPE_CNAME) && its_ttl < ttl)
            ttl = its_ttl;
        at += length;
    }
    *ret_ttl = ttl;
    return n;
}
