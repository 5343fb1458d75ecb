/* Options of type TEXT: each is kept as it was written, and read into what it stands for. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/pattern.h"
#include "base/text.h"
#include "config/build.h"
#include "config/credential.h"
#include "keeper/message.h"

const char CONFIG_NO_MEMORY[] = "out of memory";

/* "200" or "200-399" */
static bool read_range(const char *text, size_t length, struct status_range *range) {
    const char *dash = memchr(text, '-', length);
    size_t first = dash != NULL ? (size_t)(dash - text) : length;
    int values[2] = {0, 0};

    if (first != 3 || (dash != NULL && length != 7))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (i == 3)
            continue;
        if (text[i] < '0' || text[i] > '9')
            return false;
        int *value = &values[i > 3];
        *value = *value * 10 + (text[i] - '0');
    }
    range->first = values[0];
    range->last = dash != NULL ? values[1] : values[0];
    return range->first >= 100 && range->last <= 599 && range->first <= range->last;
}

static const char *read_statuses(const char *text, struct health_check_config *check) {
    static const char why[] =
        "must be up to 8 statuses or ranges from 100 to 599 with \",\" between them, as in "
        "\"200-299,404\"";
    size_t n = 0;

    for (const char *at = text;; n++) {
        size_t length = strcspn(at, ",");

        if (n == STATUS_RANGES_MAX || !read_range(at, length, &check->expected[n]))
            return why;
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    check->n_expected = n + 1;
    return NULL;
}

const char *config_read_expect(struct health_check_config *check) {
    const char *why;

    pattern_free(check->pattern);
    check->pattern = NULL;
    if (check->type != CHECK_TALK) {
        why = read_statuses(check->expect, check);
        return check->type == CHECK_HTTP
                   ? why
                   : NULL; /* elsewhere it has no meaning (validate_upstream.c) */
    }
    check->pattern = pattern_new(check->expect, &why);
    if (check->pattern != NULL)
        return NULL;
    return why == PATTERN_NO_MEMORY ? CONFIG_NO_MEMORY : why;
}

/* Three digits, or four of which the first is 0. */
static const char *read_mode(const char *text, struct listener_config *listener) {
    size_t n = strlen(text);

    if ((n != 3 && (n != 4 || text[0] != '0')) || strspn(text, "01234567") != n)
        return "must be permissions in octal from 0000 to 0777, as in \"0660\"";
    listener->socket_access.mode = (uint32_t)strtoul(text, NULL, 8);
    return NULL;
}

/* SOCKET_FILE_OWN is nobody's number (credentials(7)). False: it is not one. */
static bool read_id(const char *text, uint32_t *ret) {
    int64_t id;

    if (!text_parse_number(text, &id) || id < 0 || id >= SOCKET_FILE_OWN)
        return false;
    *ret = (uint32_t)id;
    return true;
}

#define ENTRY_FIRST 4096 /* bytes of a user's or a group's entry; one with many members has more */
#define ENTRY_MOST  (1 << 20)

/* The number of a user, or of a group, by its name. A directory service may take its time to
 * answer: then another load may ask meanwhile. ENOENT: there is none; or another error. */
static int find_id(const char *name, bool group, uint32_t *ret) {
    char *buf = NULL;
    int r = ERANGE;

    for (size_t size = ENTRY_FIRST; r == ERANGE && size <= ENTRY_MOST; size *= 2) {
        struct passwd user, *user_found = NULL;
        struct group members, *group_found = NULL;
        char *bigger = realloc(buf, size);

        if (bigger == NULL) {
            r = ENOMEM;
            break;
        }
        buf = bigger;
        r = group ? getgrnam_r(name, &members, buf, size, &group_found)
                  : getpwnam_r(name, &user, buf, size, &user_found);
        if (r == 0 && user_found == NULL && group_found == NULL)
            r = ENOENT;
        if (r == 0)
            *ret = group ? members.gr_gid : user.pw_uid;
    }
    free(buf);
    return r;
}

static const char *read_owner(const char *text, bool group, uint32_t *id) {
    *id = SOCKET_FILE_OWN;
    if (text[0] == '\0' || read_id(text, id) || find_id(text, group, id) == 0)
        return NULL;
    return group
               ? "must be a group that this machine has, by name or number; there is none of this "
                 "name"
               : "must be a user that this machine has, by name or number; there is none of this "
                 "name";
}

static const char *check_socket_choice(const char *text) {
    if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0)
        return NULL;
    return text[0] == '/' && strlen(text) < sizeof(((struct sockaddr_un *)0)->sun_path)
               ? NULL
               : "must be auto, off, or the path of a socket from / on, of at most 107 bytes";
}

/* config_validate_listener reads it. */
static const char *check_folder(const char *text) {
    return text[0] == '\0' || text[0] == '/'
               ? NULL
               : "must be the path of a folder, as in \"/etc/relayd/errors\"";
}

static const char *check_access_log(const char *text) {
    return text[0] == '\0' || (text[0] == '/' && text[strlen(text) - 1] != '/')
               ? NULL
               : "must be the path of a file from / on, as in \"/var/log/relayd/access.log\"";
}

/* validate_tls.c has it read. */
static const char *check_file(const char *text) {
    return text[0] == '\0' || text[0] == '/' || credential_name(text) != NULL
               ? NULL
               : "must be the path of a file from / on, or credential:NAME";
}

static const char *check_instance(const char *text) {
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return "must have no control characters";
    return n < KEEPER_NAME_MAX ? NULL : "must not be longer than 127 bytes";
}

static const char *read_requests(const char *text, struct global_config *global) {
    static const char *const words[] = {
        [LOG_REQUESTS_ALL] = "all", [LOG_REQUESTS_FAILED] = "failed", [LOG_REQUESTS_NONE] = "none"};
    static const char slow[] = "slow:";

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i] == NULL || strcmp(text, words[i]) != 0)
            continue;
        global->requests = (enum log_requests)i;
        return NULL;
    }
    if (strncmp(text, slow, strlen(slow)) != 0 ||
        !text_parse_duration(text + strlen(slow), &global->slow_requests))
        return "must be all, failed, none, or slow: and a duration, as in slow:500ms";
    global->requests = LOG_REQUESTS_SLOW;
    return NULL;
}

bool config_is_path(const struct option_info *row) {
    switch ((int)(row - option_infos)) {
    case OPT_listener_tls_certificate:
    case OPT_listener_tls_key:
    case OPT_listener_tls_ca:
    case OPT_listener_tls_crl:
    case OPT_listener_tls_ticket_keys:
    case OPT_upstream_tls_ca:
    case OPT_upstream_tls_certificate:
    case OPT_upstream_tls_key:
        return true;
    default:
        return false;
    }
}

/* The same of a listener and a route. False: it is no list of fields. */
static bool find_header_option(const struct option_info *row, enum header_option *ret) {
    switch ((int)(row - option_infos)) {
    case OPT_listener_set_request:
    case OPT_route_set_request:
        *ret = HEADER_SET_REQUEST;
        return true;
    case OPT_listener_add_request:
    case OPT_route_add_request:
        *ret = HEADER_ADD_REQUEST;
        return true;
    case OPT_listener_remove_request:
    case OPT_route_remove_request:
        *ret = HEADER_REMOVE_REQUEST;
        return true;
    case OPT_listener_set_response:
    case OPT_route_set_response:
        *ret = HEADER_SET_RESPONSE;
        return true;
    case OPT_listener_add_response:
    case OPT_route_add_response:
        *ret = HEADER_ADD_RESPONSE;
        return true;
    case OPT_listener_remove_response:
    case OPT_route_remove_response:
        *ret = HEADER_REMOVE_RESPONSE;
        return true;
    default:
        return false;
    }
}

const char *config_check_item(const struct option_info *row, const char *text) {
    enum header_option option;

    if (find_header_option(row, &option))
        return header_edits_check(option, text);
    if (!config_is_path(row))
        return NULL;
    return text[0] != '\0' ? check_file(text) : check_file("?");
}

static const char *read_global(const struct option_info *row, const char *text,
                               struct global_config *global) {
    switch ((int)(row - option_infos)) {
    case OPT_global_log_requests:
        return read_requests(text, global);
    case OPT_global_access_log:
        return check_access_log(text);
    case OPT_global_instance:
        return check_instance(text);
    default:
        return check_socket_choice(text);
    }
}

const char *config_set_text(const struct option_info *row, const char *text, void *base) {
    char **member = (char **)(void *)((char *)base + row->offset), *copy = strdup(text);
    struct redirect target; /* validate_http.c takes it */
    const char *why = NULL;

    if (copy == NULL)
        return CONFIG_NO_MEMORY;
    switch ((int)(row - option_infos)) {
    case OPT_global_keeper:
    case OPT_global_control:
    case OPT_global_log_requests:
    case OPT_global_access_log:
    case OPT_global_instance:
        why = read_global(row, text, base);
        break;
    case OPT_listener_socket_mode:
        why = read_mode(text, base);
        break;
    case OPT_listener_socket_user:
        why = read_owner(text, false, &((struct listener_config *)base)->socket_access.uid);
        break;
    case OPT_listener_socket_group:
        why = read_owner(text, true, &((struct listener_config *)base)->socket_access.gid);
        break;
    case OPT_listener_error_pages:
    case OPT_route_error_pages:
        why = check_folder(text);
        break;
    case OPT_listener_redirect:
    case OPT_route_redirect:
        why = redirect_read(text, &target);
        break;
    case OPT_health_check_path:
    case OPT_health_check_host:
    case OPT_health_check_user:
    case OPT_health_check_send:
    case OPT_upstream_tls_name:
    case OPT_upstream_cookie:
    case OPT_upstream_cookie_key:
        why = config_check_upstream_text(row, text);
        break;
    case OPT_listener_tls_key:
    case OPT_listener_tls_ca:
    case OPT_listener_tls_crl:
    case OPT_listener_tls_ticket_keys:
    case OPT_upstream_tls_ca:
    case OPT_upstream_tls_certificate:
    case OPT_upstream_tls_key:
        why = check_file(text);
        break;
    case OPT_listener_tls_ciphers: /* these two: tls/suites.h */
    case OPT_listener_tls_groups:
    case OPT_health_check_expect: /* config_read_expect, once the type is known */
        break;
    default:
        CHECK(false);
    }
    free(*member);
    *member = copy; /* even if it is not allowed: it is never NULL */
    return why;
}

bool config_set_defaults(enum option_section section, void *base) {
    options_set_defaults(section, base);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section != section || row->type != OPTION_TEXT)
            continue;
        const char *why = config_set_text(row, row->default_text, base);
        if (why == CONFIG_NO_MEMORY)
            return false;
        CHECK(why == NULL);
    }
    if (section == SECTION_HEALTH_CHECK)
        CHECK(config_read_expect(base) == NULL); /* needs no memory: the default type is tcp */
    return true;
}
