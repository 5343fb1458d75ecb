/* What the files of /etc say about names: /etc/hosts, the order of /etc/nsswitch.conf, and the
 * domains that /etc/resolv.conf says to search. They are read again when they have changed.
 *
 * c-ares reads them, too, but tells neither which of a name's candidates an answer is of, nor that
 * an address is of /etc/hosts. Here both families of addresses are asked for apart, and must be of
 * the same host. One thread. */
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
    struct stat seen; /* zero: there was none */
    /* it had not changed for a while when it was read: its time tells whether it has since */
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
    unsigned dots; /* a name with so many is tried as it is first (ndots of resolv.conf(5)) */
    size_t n_domains;
    char domains[ETC_DOMAINS_MAX][ADDR_NAME_MAX];
};

struct etc {
    usec_t looked;
    unsigned version; /* of the ways: another, and candidates are others */
    struct etc_file hosts_file, nsswitch_file, resolv_file;
    char *hosts_text;
    struct etc_address *hosts; /* in the order of the names, and among equal ones of the file */
    size_t n_hosts;
    struct etc_ways ways;
};

void etc_init(struct etc *etc);
void etc_free(struct etc *etc);

/* Reads what has changed; looks no more often than every 100 ms. Without memory a file counts as
 * empty. */
void etc_refresh(struct etc *etc);

/* The addresses of a name in /etc/hosts, of which *ret_n follow one another, or NULL. "localhost"
 * and what ends in ".localhost" always has some (RFC 6761, 6.3). */
const struct etc_address *etc_find(const struct etc *etc, const char *name, size_t *ret_n);

/* The i-th full name that a name may stand for in DNS, with a "." at its end; false: there are no
 * more. */
bool etc_candidate(const struct etc *etc, const char *name, size_t i, char ret[ADDR_NAME_MAX + 1]);

#endif
