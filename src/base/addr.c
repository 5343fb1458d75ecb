#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/interface.h"
#include "base/order.h"
#include "base/text.h"

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define HOST_MAX    64 /* an IPv6 address with its scope, or IPv4, and the NUL */
#define LABEL_MAX   63 /* RFC 1035, 2.3.4 */
#define DIGITS      "0123456789"

static bool reject_addr(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

static bool parse_port(const char *text, unsigned *ret, const char **ret_why) {
    int64_t port;

    if (*text == '\0')
        return reject_addr(ret_why, "the port is missing after the \":\"");
    if (!text_parse_number(text, &port) || port < 1 || port > 65535)
        return reject_addr(ret_why, "the port must be a number from 1 to 65535");
    *ret = (unsigned)port;
    return true;
}

static bool parse_unix(const char *path, struct addr_spec *spec, const char **ret_why) {
    size_t len = strlen(path);

    if (*path != '/')
        return reject_addr(ret_why, "the path must be absolute, as in unix:/run/app.sock");
    if (len >= sizeof spec->addr.u.un.sun_path)
        return reject_addr(ret_why,
                           "the path is longer than the 107 bytes that a unix socket allows");
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
            return reject_addr(ret_why, "the path has a control character in it");
    spec->form = ADDR_LITERAL;
    spec->addr.u.un.sun_family = AF_UNIX;
    len = text_plain_path(path, spec->addr.u.un.sun_path);
    spec->addr.len = (socklen_t)(PATH_OFFSET + len + 1);
    return true;
}

/* "fe80::1%lo" or "fe80::1%2", which is cut up: an IPv6 address that has an interface if it is
 * link-local, and else none. */
static bool parse_host_ipv6(char *host, struct sockaddr_in6 *in6, const char **ret_why) {
    char *percent = strchr(host, '%');

    if (percent != NULL)
        *percent = '\0';
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return reject_addr(ret_why, "what stands in brackets is not an IPv6 address");
    if (percent != NULL && !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
        return reject_addr(ret_why,
                           "only a link-local address (fe80::) takes a \"%\" and an interface");
    if (percent == NULL && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
        return reject_addr(ret_why,
                           "a link-local address (fe80::) is one of an interface, which is "
                           "missing: write it as [fe80::1%eth0]:80");
    in6->sin6_family = AF_INET6;
    return percent == NULL || interface_parse(percent + 1, &in6->sin6_scope_id, ret_why);
}

static bool parse_ipv6(const char *text, struct addr_spec *spec, const char **ret_why) {
    char host[HOST_MAX];
    const char *end = strchr(text, ']');
    struct sockaddr_in6 *in6 = &spec->addr.u.in6;
    size_t len;

    if (!end)
        return reject_addr(ret_why, "the \"]\" after the IPv6 address is missing");
    len = (size_t)(end - text) - 1;
    if (len >= sizeof host)
        return reject_addr(ret_why, "what stands in brackets is not an IPv6 address");
    memcpy(host, text + 1, len);
    host[len] = '\0';
    if (!parse_host_ipv6(host, in6, ret_why))
        return false;
    if (end[1] != ':')
        return reject_addr(ret_why, "the port is missing; write it as [::1]:80");
    if (!parse_port(end + 2, &spec->port, ret_why))
        return false;
    in6->sin6_port = htons((uint16_t)spec->port);
    spec->addr.len = sizeof *in6;
    return true;
}

static bool check_name(const char *name, const char **ret_why) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-_.";
    const char *label = name;

    if (strcmp(name, "*") == 0)
        return reject_addr(ret_why, "every local address is written as the port alone, as in :80");
    if (strlen(name) >= ADDR_NAME_MAX)
        return reject_addr(ret_why, "the name is longer than 253 characters");
    if (name[strspn(name, allowed)] != '\0')
        return reject_addr(ret_why, "a name has only letters, digits, \"-\", \"_\" and \".\"");
    if (name[strspn(name, DIGITS ".")] == '\0')
        return reject_addr(ret_why,
                           "an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1");
    for (;;) {
        size_t len = strcspn(label, ".");

        if (len == 0)
            return reject_addr(ret_why, "the name has an empty part before or after a \".\"");
        if (len > LABEL_MAX)
            return reject_addr(ret_why, "a part of the name is longer than 63 characters");
        if (label[0] == '-' || label[len - 1] == '-')
            return reject_addr(ret_why, "a part of the name begins or ends with \"-\"");
        if (label[len] == '\0' || label[len + 1] == '\0') /* "name." is complete, too */
            return true;
        label += len + 1;
    }
}

static bool is_port(const char *text) {
    return *text != '\0' && text[strspn(text, DIGITS)] == '\0';
}

/* RFC 2782: the service and the protocol, each with a "_" before it, and the domain. */
static bool parse_srv(const char *text, struct addr_spec *spec, const char **ret_why) {
    const char *protocol = strchr(text, '.');

    if (strchr(text, ':') != NULL)
        return reject_addr(ret_why, "the name of a service takes no port: its SRV records have it");
    if (text[0] != '_' || text[1] == '.' || protocol == NULL ||
        strncmp(protocol, "._tcp.", 6) != 0 || protocol[6] == '\0')
        return reject_addr(ret_why,
                           "the name of a service is written as srv:_http._tcp.app.example");
    if (!check_name(text, ret_why))
        return false;
    spec->form = ADDR_SRV;
    memcpy(spec->name, text, strlen(text) + 1);
    return true;
}

static bool parse_host(const char *text, const char *colon, struct addr_spec *spec,
                       const char **ret_why) {
    struct sockaddr_in *in = &spec->addr.u.in;
    size_t len = (size_t)(colon - text);

    if (len >= sizeof spec->name)
        return reject_addr(ret_why, "the name is longer than 253 characters");
    memcpy(spec->name, text, len);
    spec->name[len] = '\0';
    if (inet_pton(AF_INET, spec->name, &in->sin_addr) == 1) {
        spec->name[0] = '\0';
        if (!parse_port(colon + 1, &spec->port, ret_why))
            return false;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)spec->port);
        spec->addr.len = sizeof *in;
        return true;
    }
    spec->form = ADDR_NAME;
    return check_name(spec->name, ret_why) && parse_port(colon + 1, &spec->port, ret_why);
}

static bool parse_spec(const char *text, struct addr_spec *spec, const char **ret_why) {
    const char *colon = strchr(text, ':');

    if (*text == '\0')
        return reject_addr(ret_why, "the address is empty");
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, spec, ret_why);
    if (strncmp(text, "srv:", 4) == 0 &&
        !is_port(text + 4)) /* srv:80 is a host that has this name */
        return parse_srv(text + 4, spec, ret_why);
    if (strstr(text, "://"))
        return reject_addr(ret_why,
                           "this is a URL; write the host and the port alone, as in name:80");
    if (*text == '[')
        return parse_ipv6(text, spec, ret_why);
    if (text == colon && !strchr(colon + 1, ':')) {
        spec->form = ADDR_ANY;
        return parse_port(text + 1, &spec->port, ret_why);
    }
    if (is_port(text)) {
        spec->form = ADDR_ANY;
        return parse_port(text, &spec->port, ret_why);
    }
    if (!colon)
        return reject_addr(ret_why, "the port is missing, as in name:80");
    if (strchr(colon + 1, ':'))
        return reject_addr(ret_why, "an IPv6 address stands in brackets: write it as [::1]:80");
    return parse_host(text, colon, spec, ret_why);
}

bool addr_parse(const char *text, struct addr_spec *ret_spec, const char **ret_why) {
    struct addr_spec spec;

    memset(&spec, 0, sizeof spec);
    if (!parse_spec(text, &spec, ret_why))
        return false;
    *ret_spec = spec;
    return true;
}

bool addr_parse_ip(const char *text, struct addr *ret_addr, const char **ret_why) {
    struct addr addr;
    char host[HOST_MAX];

    memset(&addr, 0, sizeof addr);
    if (inet_pton(AF_INET, text, &addr.u.in.sin_addr) == 1) {
        addr.u.in.sin_family = AF_INET;
        addr.len = sizeof addr.u.in;
    } else {
        snprintf(host, sizeof host, "%.*s", (int)strcspn(text, "%"), text);
        if (strlen(text) >= sizeof host || inet_pton(AF_INET6, host, &addr.u.in6.sin6_addr) != 1)
            return reject_addr(
                ret_why, "an IP address without a port is needed, as in 192.0.2.1 or 2001:db8::1");
        if (!parse_host_ipv6(strcpy(host, text), &addr.u.in6, ret_why))
            return false;
        addr.len = sizeof addr.u.in6;
    }
    *ret_addr = addr;
    return true;
}

/* The peer chose its name, or a PROXY header did. */
static void format_unix(const struct addr *addr, char *buf, size_t size) {
    const char *path = addr->u.un.sun_path;
    size_t len = addr->len > PATH_OFFSET ? addr->len - PATH_OFFSET : 0;
    char text[ADDR_TEXT_MAX];

    if (len > sizeof addr->u.un.sun_path)
        len = sizeof addr->u.un.sun_path;
    while (len > 0 && path[len - 1] == '\0')
        len--;
    bool abstract =
        len > 0 && path[0] == '\0'; /* unix(7): a name that is no file's, of any bytes */
    size_t n = abstract ? len - 1 : strnlen(path, len);
    escape_text(path + abstract, n, ESCAPE_FOREIGN, text, sizeof text - sizeof "unix:@");
    snprintf(buf, size, "unix:%s%s", abstract ? "@" : "", text);
}

static void format_ipv6(const struct addr *addr, char *buf, size_t size) {
    const struct sockaddr_in6 *in6 = &addr->u.in6;
    char host[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE + 1] = "", name[IF_NAMESIZE];
    unsigned port = ntohs(in6->sin6_port);

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
        snprintf(buf, size, "%s:%u", host, port);
        return;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    if (interface_name(in6->sin6_scope_id))
        snprintf(scope, sizeof scope, "%%%s", interface_name(in6->sin6_scope_id));
    else if (in6->sin6_scope_id != 0 && if_indextoname(in6->sin6_scope_id, name))
        snprintf(scope, sizeof scope, "%%%s", name);
    else if (in6->sin6_scope_id != 0)
        snprintf(scope, sizeof scope, "%%%u", (unsigned)in6->sin6_scope_id);
    snprintf(buf, size, "[%s%s]:%u", host, scope, port);
}

const char *addr_format(const struct addr *addr, char *buf, size_t size) {
    char host[INET_ADDRSTRLEN] = "";

    if (addr->len == 0) {
        snprintf(buf, size, "-");
    } else if (addr->u.sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &addr->u.in.sin_addr, host, sizeof host);
        snprintf(buf, size, "%s:%u", host, (unsigned)ntohs(addr->u.in.sin_port));
    } else if (addr->u.sa.sa_family == AF_INET6) {
        format_ipv6(addr, buf, size);
    } else if (addr->u.sa.sa_family == AF_UNIX) {
        format_unix(addr, buf, size);
    } else {
        snprintf(buf, size, "(address family %u)", (unsigned)addr->u.sa.sa_family);
    }
    return buf;
}

const char *addr_format_host(const struct addr *addr, char *buf, size_t size) {
    char text[ADDR_TEXT_MAX];
    bool bracketed = addr_format(addr, text, sizeof text)[0] == '[';
    char *end = strrchr(text, bracketed ? ']' : ':');

    if (end != NULL && !addr_is_unix(addr))
        *end = '\0';
    snprintf(buf, size, "%s", text + bracketed);
    return buf;
}

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_ipv6_bytes(const struct addr *addr, unsigned char ret_bytes[16]) {
    if (addr->len == 0)
        return false;
    if (addr->u.sa.sa_family == AF_INET) {
        memcpy(ret_bytes, mapped, sizeof mapped);
        memcpy(ret_bytes + sizeof mapped, &addr->u.in.sin_addr, 4);
    } else if (addr->u.sa.sa_family == AF_INET6) {
        memcpy(ret_bytes, &addr->u.in6.sin6_addr, 16);
    } else {
        return false;
    }
    return true;
}

struct addr addr_unmapped(const struct addr *addr) {
    struct addr in = {.len = sizeof in.u.in};

    if (addr->len == 0 || addr->u.sa.sa_family != AF_INET6 ||
        !IN6_IS_ADDR_V4MAPPED(&addr->u.in6.sin6_addr))
        return *addr;
    in.u.in.sin_family = AF_INET;
    in.u.in.sin_port = addr->u.in6.sin6_port;
    memcpy(&in.u.in.sin_addr, &addr->u.in6.sin6_addr.s6_addr[12], 4);
    return in;
}

bool addr_bytes_are_ipv4(const unsigned char bytes[16]) {
    return memcmp(bytes, mapped, sizeof mapped) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b) {
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    if (a->u.sa.sa_family != b->u.sa.sa_family)
        return false;
    if (a->u.sa.sa_family == AF_INET)
        return a->u.in.sin_port == b->u.in.sin_port &&
               a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
    if (a->u.sa.sa_family == AF_INET6)
        return a->u.in6.sin6_port == b->u.in6.sin6_port &&
               a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr);
    return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}

bool addr_is_any(const struct addr *addr) {
    if (addr->len == 0)
        return false;
    if (addr->u.sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&addr->u.in6.sin6_addr);
    return addr->u.sa.sa_family == AF_INET && addr->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
}

static int compare_ipv6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b) {
    int order = memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr);

    if (order == 0)
        order = compare_numbers(a->sin6_scope_id, b->sin6_scope_id);
    return order != 0 ? order : compare_numbers(ntohs(a->sin6_port), ntohs(b->sin6_port));
}

int addr_compare(const struct addr *a, const struct addr *b) {
    int order;

    if (a->len == 0 || b->len == 0)
        return compare_numbers(a->len, b->len);
    if (a->u.sa.sa_family != b->u.sa.sa_family)
        return compare_numbers(b->u.sa.sa_family, a->u.sa.sa_family);
    if (a->u.sa.sa_family == AF_INET6)
        return compare_ipv6(&a->u.in6, &b->u.in6);
    if (a->u.sa.sa_family == AF_INET) {
        order = memcmp(&a->u.in.sin_addr, &b->u.in.sin_addr, sizeof a->u.in.sin_addr);
        return order != 0 ? order
                          : compare_numbers(ntohs(a->u.in.sin_port), ntohs(b->u.in.sin_port));
    }
    order = compare_numbers(a->len, b->len);
    return order != 0 ? order : memcmp(&a->u, &b->u, a->len);
}

bool addr_is_unix(const struct addr *addr) {
    return addr->len != 0 && addr->u.sa.sa_family == AF_UNIX;
}

unsigned addr_port(const struct addr *addr) {
    switch (addr->len > 0 ? addr->u.sa.sa_family : AF_UNSPEC) {
    case AF_INET:
        return ntohs(addr->u.in.sin_port);
    case AF_INET6:
        return ntohs(addr->u.in6.sin6_port);
    default:
        return 0;
    }
}
