/* Socket addresses: TCP over IPv4 and IPv6, and unix sockets. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/check.h"

struct addr {
    socklen_t len; /* 0: no address */
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

/* Any address as text, with NUL: "unix:" and sun_path, or [IPv6%scope]:port. */
#define ADDR_TEXT_MAX 128

/* What the operator wrote. */
enum addr_form {
    ADDR_LITERAL, /* 1.2.3.4:80, [::1]:80, unix:/path */
    ADDR_NAME,    /* app.example:80 */
    ADDR_SRV,     /* srv:_http._tcp.app.example (RFC 2782) */
    ADDR_ANY,     /* every local address: ":80" or "80" */
};

#define ADDR_NAME_MAX 254 /* RFC 1035, 2.3.4: 253 characters, NUL */

struct addr_spec {
    enum addr_form form;
    unsigned port;            /* 1 to 65535; 0 for unix and ADDR_SRV */
    char name[ADDR_NAME_MAX]; /* ADDR_NAME and ADDR_SRV, else "" */
    struct addr addr;         /* ADDR_LITERAL only */
};

/* False: *ret_why is a constant clause ("the port must be a number from 1 to 65535"), *ret_spec
 * untouched. The interface in [fe80::1%eth0]:80 is kept by name, present or not
 * (base/interface.h). */
bool addr_parse(const char *text, struct addr_spec *ret_spec, const char **ret_why) MUST_USE;

/* Without a port: 10.0.0.1, 2001:db8::1 or fe80::1%eth0. Sets port 0. */
bool addr_parse_ip(const char *text, struct addr *ret_addr, const char **ret_why) MUST_USE;

/* Returns buf (ADDR_TEXT_MAX suffices): ::ffff:1.2.3.4 as IPv4, unnamed unix peers as "unix:", no
 * address as "-". Escapes (base/escape.h), and cuts what does not fit. */
const char *addr_format(const struct addr *addr, char *buf, size_t size);

/* The same without port and brackets; a unix socket's whole. */
const char *addr_format_host(const struct addr *addr, char *buf, size_t size);

/* IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). False: no IP address. */
bool addr_ipv6_bytes(const struct addr *addr, unsigned char ret_bytes[16]);
/* ::ffff:0:0/96 as IPv4 (RFC 4291, 2.5.5.2); others as they are. */
struct addr addr_unmapped(const struct addr *addr);

bool addr_bytes_are_ipv4(const unsigned char bytes[16]); /* ::ffff:0:0/96 */

bool addr_equal(const struct addr *a, const struct addr *b);

bool addr_is_any(const struct addr *addr); /* of an IP family: every local address */

/* Of ADDR_LITERAL and ADDR_ANY, what a socket is bound to: [::]:port for every address, IPv4 as
 * such. */
struct addr addr_to_bind(const struct addr_spec *spec);

/* Whether sockets cannot listen at both at once. only: an IPv6 socket leaves IPv4 to others
 * (IPV6_V6ONLY, ipv6(7)). */
bool addr_overlaps(const struct addr *a, bool a_only, const struct addr *b, bool b_only);

/* The same, with a socket's bound address; fd -1: none. */
bool addr_overlaps_bound(const struct addr *wanted, bool only, int fd);

/* For qsort(3), 0: equal. IPv6 before IPv4, as mostly in RFC 6724. */
int addr_compare(const struct addr *a, const struct addr *b);

unsigned addr_port(const struct addr *addr); /* 0: none */
bool addr_is_unix(const struct addr *addr);

#endif
