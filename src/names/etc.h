/* What /etc says of names: /etc/hosts, the order of /etc/nsswitch.conf, the domains of
 * /etc/resolv.conf. Files are read again once changed. One thread.
 *
 * c-ares, too, reads them, but tells neither an answer's candidate, nor that it is of /etc/hosts;
 * both families must be of one host. */
#ifndef NAMES_ETC_H
#define NAMES_ETC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/clock.h"

#define ETC_DOMAINS_MAX 32

struct etc_file {
    const char *path;
    struct stat seen; /* zero: there is none */
    /* old enough when read: its time tells of changes since */
    bool settled;
};

struct etc_address {
    const char *name; /* in the text */
    bool is_ipv6;
    unsigned char bytes[16]; /* of IPv4 the first 4 */
};

/* How a name is looked for. */
struct etc_ways {
    bool use_hosts, use_dns, dns_first;
    unsigned dots; /* with as many a name is first tried as is (ndots, resolv.conf(5)) */
    size_t n_domains;
    char domains[ETC_DOMAINS_MAX][ADDR_NAME_MAX];
};

struct etc {
    usec_t looked;
    unsigned version; /* of the ways: when it changes, so do candidates */
    struct etc_file hosts_file, nsswitch_file, resolv_file;
    char *hosts_text;
    struct etc_address *hosts; /* by name, then in the order of the file */
    size_t n_hosts;
    struct etc_ways ways;
};

void etc_init(struct etc *etc);
void etc_free(struct etc *etc);

/* Reads what has changed; looks at most every 100 ms. Without memory a file is empty. */
void etc_refresh(struct etc *etc);

/* The *ret_n addresses of a name in /etc/hosts, or NULL. "localhost" and "*.localhost" always have
 * some (RFC 6761, 6.3). */
const struct etc_address *etc_find(const struct etc *etc, const char *name, size_t *ret_n);

/* The i-th full name (ending in ".") that a name may stand for in DNS. False: no more. */
bool etc_candidate(const struct etc *etc, const char *name, size_t i, char ret[ADDR_NAME_MAX + 1]);

#endif
