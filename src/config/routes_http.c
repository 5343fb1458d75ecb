/* Patterns of routes in mode http: HOST, HOST/PATH/, /PATH/. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/routes.h"

#define WILDCARD "*."

const char *route_host(const struct route_config *route, char *ret) {
    snprintf(ret, ROUTE_PATTERN_SIZE, "%.*s", (int)route->n_host, route->pattern);
    return ret;
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The byte of the %XX at path, of which n bytes are left; -1: it is none. */
static int encoded_byte(const char *path, size_t n) {
    int high = n > 2 && path[0] == '%' ? hex_value(path[1]) : -1;
    int low = high >= 0 ? hex_value(path[2]) : -1;

    return low >= 0 ? high * 16 + low : -1;
}

/* Servers take it for the same, encoded or not, but for those that part or end a path. */
static bool stands_for_itself(int byte) {
    return byte > ' ' && byte < 0x7f && strchr("/\\%?#", byte) == NULL;
}

size_t route_normal_path(const char *path, size_t n, char *ret) {
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        int byte = encoded_byte(path + i, n - i);

        if (byte < 0) {
            ret[used++] = path[i];
            continue;
        }
        i += 2;
        if (stands_for_itself(byte)) {
            ret[used++] = (char)byte;
            continue;
        }
        ret[used++] = '%';
        ret[used++] = digits[byte / 16];
        ret[used++] = digits[byte % 16];
    }
    return used;
}

static size_t normal_ipv6(const char *host, size_t n, char ret[HOST_NAME_SIZE]) {
    struct in6_addr addr;
    char inner[INET6_ADDRSTRLEN];

    if (n < 4 || n - 2 >= sizeof(inner) || host[n - 1] != ']')
        return 0;
    memcpy(inner, host + 1, n - 2);
    inner[n - 2] = '\0';
    if (inet_pton(AF_INET6, inner, &addr) != 1)
        return 0;
    inet_ntop(AF_INET6, &addr, inner, sizeof(inner));
    return (size_t)snprintf(ret, HOST_NAME_SIZE, "[%s]", inner);
}

size_t route_normal_host(const char *host, size_t n, char ret[HOST_NAME_SIZE]) {
    if (n == 0 || n >= HOST_NAME_SIZE)
        return 0;
    if (host[0] == '[')
        return normal_ipv6(host, n, ret);
    for (size_t i = 0; i < n; i++)
        ret[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 'a' - 'A' : host[i]);
    return n;
}

/* What is written in place of a host: the first n bytes. */
static const char *check_host_text(const char *text, size_t n) {
    const char *colon = text[0] != '[' ? memchr(text, ':', n) : NULL;

    if (colon != NULL && strncmp(colon, "://", strlen("://")) == 0)
        return "a pattern is a host and a path, without https:// before it";
    if (n == 0 || (n == 1 && text[0] == '*'))
        return "clients that no route takes go to the listener's own upstream; a route has a host, "
               "or a path of its own";
    if (colon != NULL && memchr(colon + 1, ':', n - (size_t)(colon + 1 - text)) != NULL)
        return "an IPv6 address stands in \"[]\"";
    if (colon != NULL)
        return "a pattern has no port: a host is the same at each of the listener's addresses";
    return NULL;
}

/* The first n bytes of text. */
static const char *read_http_host(const char *text, size_t n, struct route_config *ret) {
    bool wildcard = strncmp(text, WILDCARD, strlen(WILDCARD)) == 0;
    size_t begin = wildcard ? strlen(WILDCARD) : 0;
    char name[HOST_NAME_SIZE];
    enum host_name kind;

    if (n >= HOST_NAME_SIZE - strlen(WILDCARD))
        return "a host is at most 253 bytes long";
    if (memchr(text + begin, '*', n - begin) != NULL)
        return "a \"*.\" may stand at the beginning of a host alone, for one label or more";
    kind = host_name_read(text + begin, n - begin, name);
    if (kind == HOST_NAME_IP && !wildcard) {
        n = route_normal_host(text, text[n - 1] == '.' ? n - 1 : n, name);
        snprintf(ret->pattern, sizeof(ret->pattern), "%.*s", (int)n, name);
        ret->n_host = (uint16_t)n;
        return NULL;
    }
    if (kind != HOST_NAME_GOOD)
        return "a host is letters, digits, \"-\", \"_\" and single \".\", 63 between dots, or an "
               "IP "
               "address, IPv6 in \"[]\"; others are written in their xn-- form";
    snprintf(ret->pattern, sizeof(ret->pattern), "%s%s", wildcard ? WILDCARD : "", name);
    ret->n_host = (uint16_t)strlen(ret->pattern);
    return NULL;
}

static bool is_dots(const char *segment, size_t n) {
    return (n == 1 && segment[0] == '.') || (n == 2 && segment[0] == '.' && segment[1] == '.');
}

/* Normal, with "/" at both ends. What is refused here is in requests, too, where routes have
 * paths. */
static const char *check_segments(const char *path) {
    for (const char *at = path + 1; *at != '\0';) {
        size_t n = strcspn(at, "/");

        if (n == 0 || is_dots(at, n))
            return "a path has no empty segments, \".\" or \"..\"";
        at += n + 1;
    }
    return NULL;
}

static const char *check_path_bytes(const char *path) {
    if (strchr(path, '*') != NULL)
        return "a path stands for all that begins with it: leave the \"*\" out";
    if (strpbrk(path, "?#") != NULL)
        return "a pattern ends with the path: a query does not choose a route";
    for (const char *at = path; *at != '\0'; at++) {
        int byte = encoded_byte(at, strlen(at));

        if (*at <= ' ' || *at > '~' || strchr("\"<>\\^`{|}", *at) != NULL ||
            (*at == '%' && byte < 0))
            return "a path is visible ASCII; other bytes are written as %XX";
        if (*at == '%' && strchr("/\\%?#", byte) != NULL)
            return "a path has no encoded \"/\", \"\\\", \"%\", \"?\", \"#\" or NUL";
    }
    return NULL;
}

/* Adds it to the pattern. */
static const char *read_http_path(const char *text, struct route_config *ret) {
    char path[ROUTE_PATH_MOST + 2];
    const char *why = check_path_bytes(text);
    size_t n = strlen(text);

    if (why != NULL)
        return why;
    if (n > ROUTE_PATH_MOST - 1)
        return "a path is at most 254 bytes long";
    n = route_normal_path(text, n, path);
    if (path[n - 1] != '/')
        path[n++] = '/';
    path[n] = '\0';
    why = check_segments(path);
    if (why == NULL && n > 1)
        strcpy(ret->pattern + ret->n_host, path);
    return why;
}

const char *route_read_http(const char *text, struct route_config *ret) {
    struct route_config route = {.kind = ROUTE_HTTP};
    const char *slash = strchr(text, '/'), *why = NULL;
    size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);

    if (n > 0 || slash == NULL || slash[1] == '\0')
        why = check_host_text(text, n);
    if (why == NULL && n > 0)
        why = read_http_host(text, n, &route);
    if (why == NULL && slash != NULL)
        why = read_http_path(slash, &route);
    if (why != NULL)
        return why;
    memcpy(ret->pattern, route.pattern, sizeof(ret->pattern));
    ret->kind = route.kind;
    ret->n_host = route.n_host;
    return NULL;
}
