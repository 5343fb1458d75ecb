/* Texts of upstreams, and of what is in them. */
#include <string.h>

#include "base/bytes.h"
#include "config/build.h"

#define PATH_MOST 512 /* bytes of a path; every server should take 8000 (RFC 9112, 3) */
#define HOST_MOST 253 /* RFC 1035, 2.3.4 */
#define USER_MOST                                                                                  \
    63 /* PostgreSQL documentation, "Identifiers and Key Words"; MySQL takes 32, MariaDB 128 */
#define SEND_MOST 1024

/* Visible ASCII alone: it goes into a request line or a header. */
static bool is_visible(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static const char *check_path(const char *text) {
    if (text[0] != '/' || !is_visible(text))
        return "must be a path that begins with \"/\" and has no blanks or control characters";
    return strlen(text) > PATH_MOST ? "must not be longer than 512 bytes" : NULL;
}

static const char *check_host(const char *text) {
    if (!is_visible(text))
        return "must be a host name, and may have a port";
    return strlen(text) > HOST_MOST ? "must not be longer than 253 bytes" : NULL;
}

static const char *check_user(const char *text) {
    if (text[0] == '\0' || !is_visible(text))
        return "must be a user's name, without blanks or control characters";
    return strlen(text) > USER_MOST ? "must not be longer than 63 bytes" : NULL;
}

static const char *check_send(const char *text) {
    size_t n;

    if (!bytes_decode(text, NULL, 0, &n))
        return "after \"\\\" only r, n, t, \\ or x and two hexadecimal digits are known";
    return strlen(text) > SEND_MOST ? "must not be longer than 1024 bytes" : NULL;
}

static const char *check_tls_name(const char *text) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct addr addr;
    const char *why;

    if (strspn(text, letters) != strlen(text) && !addr_parse_ip(text, &addr, &why))
        return "must be a host's name or an IP address, without a port";
    return strlen(text) > HOST_MOST ? "must not be longer than 253 bytes" : NULL;
}

/* RFC 6265, 4.1.1: a token. */
static const char *check_cookie_name(const char *text) {
    static const char letters[] =
        "!#$%&'*+-.^_`|~0123456789"
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return strlen(text) == 0 || strlen(text) > COOKIE_NAME_MOST ||
                   strspn(text, letters) != strlen(text)
               ? "must be 1 to 64 letters, digits and signs that a cookie's name may have, such as "
                 "\"-\" and \"_\""
               : NULL;
}

static const char *check_cookie_key(const char *text) {
    return text[0] == '\0' || strlen(text) >= COOKIE_KEY_LEAST
               ? NULL
               : "must have at least 32 characters, as openssl rand -hex 32 makes it, or be "
                 "credential:NAME";
}

const char *config_check_upstream_text(const struct option_info *row, const char *text) {
    switch ((int)(row - option_infos)) {
    case OPT_health_check_path:
        return check_path(text);
    case OPT_health_check_host:
        return check_host(text);
    case OPT_health_check_user:
        return check_user(text);
    case OPT_health_check_send:
        return check_send(text);
    case OPT_upstream_tls_name:
        return check_tls_name(text);
    case OPT_upstream_cookie:
        return check_cookie_name(text);
    case OPT_upstream_cookie_key:
        return check_cookie_key(text);
    default:
        CHECK(false);
    }
}
