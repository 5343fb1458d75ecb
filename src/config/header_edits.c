#include "config/header_edits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MOST 256

const char HEADER_EDITS_NO_MEMORY[] = "out of memory";

/* RFC 9110, 5.6.2: tchar. */
static bool is_token_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte));
}

static char folded_byte(char byte) {
    return (char)(byte >= 'A' && byte <= 'Z' ? byte + 'a' - 'A' : byte == '_' ? '-' : byte);
}

static bool is_header_name(const char *text, size_t n, const char *name) {
    if (strlen(name) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (folded_byte(text[i]) != name[i])
            return false;
    return true;
}

/* Those of one connection alone, or of its framing (RFC 9110, 7.6.1; RFC 9112, 6): relayd writes
 * them itself. */
static bool is_of_connection(const char *text, size_t n) {
    static const char *const names[] = {
        "connection", "content-length", "transfer-encoding", "keep-alive",     "proxy-connection",
        "te",         "trailer",        "upgrade",           "http2-settings",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_header_name(text, n, names[i]))
            return true;
    return false;
}

static bool removes(enum header_option option) {
    return option == HEADER_REMOVE_REQUEST || option == HEADER_REMOVE_RESPONSE;
}

static bool is_of_request(enum header_option option) {
    return option <= HEADER_REMOVE_REQUEST;
}

static const char *check_field_name(enum header_option option, const char *text, size_t n) {
    if (n == 0 || n > NAME_MOST)
        return removes(option) ? "must be the name of a field, as in \"X-Powered-By\""
                               : "must be a field, as in \"X-Robots-Tag: noindex\"";
    for (size_t i = 0; i < n; i++)
        if (!is_token_byte(text[i]))
            return "the name of a field has letters, digits and \"-\", without blanks, as in "
                   "\"X-Robots-Tag: noindex\"";
    if (is_of_connection(text, n))
        return "relayd writes this field itself, for each of its connections";
    if (is_of_request(option) && is_header_name(text, n, "expect"))
        return "relayd has to know what a client expects: this field is passed as it is";
    if (is_of_request(option) && option != HEADER_SET_REQUEST && is_header_name(text, n, "host"))
        return "a request has one Host; set_request replaces it";
    return NULL;
}

/* Skips blanks at both ends. */
static const char *value_of(const char *colon, size_t *ret_n) {
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t n = strlen(value);

    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    *ret_n = n;
    return value;
}

/* What stands in a URL as its authority: of the rest, only what could end it is refused. */
static bool is_host_value(const char *value, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (value[i] <= ' ' || value[i] > '~' || strchr("/?#@\\,\"<>{}|^`", value[i]))
            return false;
    return true;
}

/* As nginx and HAProxy have them; here they would be sent as they stand. */
static bool has_foreign_variable(const char *value) {
    static const char *const beginnings[] = {
        "$host", "$http_", "$remote_", "$proxy_", "$scheme",  "$server_", "$request",
        "$ssl_", "$uri",   "$args",    "$is_",    "%[src",    "%[req",    "%[ssl",
        "%[dst", "%[hdr",  "%[var",    "%[path",  "%[unique",
    };

    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        if (strstr(value, beginnings[i]) != NULL)
            return true;
    return false;
}

static const char *check_field_value(const char *text, const char *colon, bool removable) {
    size_t n, n_name = (size_t)(colon - text);
    const char *value = value_of(colon, &n);

    if (n == 0)
        return removable ? "its value is missing; to take a field off, use remove_request or "
                           "remove_response"
                         : "its value is missing";
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return "a value must have no line ends or other control characters";
    if (has_foreign_variable(value))
        return "a value is sent as it stands, there are no variables as in nginx or HAProxy; who "
               "asks is told in X-Forwarded-For and the like without any";
    if (is_header_name(text, n_name, "host") && !is_host_value(value, n))
        return "must be a host, as in \"Host: app.example\" or \"Host: app.example:8080\"";
    return NULL;
}

const char *header_edits_check(enum header_option option, const char *text) {
    const char *colon = strchr(text, ':'), *why;

    if (removes(option))
        return colon == NULL ? check_field_name(option, text, strlen(text))
                             : "must be the name of a field alone, without a value, as in "
                               "\"X-Powered-By\"";
    if (colon == NULL)
        return "must be a name and a value with \":\" between them, as in "
               "\"X-Robots-Tag: noindex\"";
    why = check_field_name(option, text, (size_t)(colon - text));
    return why != NULL
               ? why
               : check_field_value(text, colon,
                                   option == HEADER_SET_REQUEST || option == HEADER_SET_RESPONSE);
}

/* Names that differ here differ. */
static uint64_t hint_of(const char *name, size_t n) {
    return 1ULL << (((unsigned char)folded_byte(name[0]) + 5 * n) & 63);
}

static void add_header_name(struct header_edits *edits, const char *text, size_t n) {
    char *name =
        edits->names + (edits->n_off > 0 ? edits->off[edits->n_off - 1].text +
                                               edits->off[edits->n_off - 1].n - edits->names
                                         : 0);

    for (size_t i = 0; i < n; i++)
        name[i] = folded_byte(text[i]);
    edits->off[edits->n_off++] = (struct header_name){name, (uint16_t)n};
    edits->hints |= hint_of(name, n);
    edits->sets_host |= is_header_name(text, n, "host");
}

/* "Name: value", with one blank. */
static void add_header_line(struct header_edits *edits, const char *text) {
    const char *colon = strchr(text, ':');
    size_t n, n_name = (size_t)(colon - text);
    const char *value = value_of(colon, &n);
    char *at = edits->lines + edits->n_lines;

    memcpy(at, text, n_name);
    memcpy(at + n_name, ": ", 2);
    memcpy(at + n_name + 2, value, n);
    memcpy(at + n_name + 2 + n, "\r\n", 2);
    edits->n_lines += n_name + n + 4;
}

static size_t count_bytes(const struct text_list *list) {
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        n += strlen(list->texts[i]) + strlen(" \r\n"); /* a blank that was not written */
    return n;
}

const char *header_edits_read(const struct text_list *set, const struct text_list *add,
                              const struct text_list *remove, struct header_edits *ret) {
    size_t n = count_bytes(set) + count_bytes(add);
    struct header_edits edits = {.lines = malloc(n + 1),
                                 .names = malloc(n + count_bytes(remove) + 1),
                                 .off = calloc(set->n + remove->n + 1, sizeof(*edits.off))};

    if (edits.lines == NULL || edits.names == NULL || edits.off == NULL) {
        header_edits_free(&edits);
        return HEADER_EDITS_NO_MEMORY;
    }
    for (size_t i = 0; i < remove->n; i++)
        add_header_name(&edits, remove->texts[i], strlen(remove->texts[i]));
    for (size_t i = 0; i < set->n; i++) {
        add_header_name(&edits, set->texts[i], strcspn(set->texts[i], ":"));
        add_header_line(&edits, set->texts[i]);
    }
    for (size_t i = 0; i < add->n; i++)
        add_header_line(&edits, add->texts[i]);
    if (edits.n_lines > HEADER_EDITS_MOST) {
        header_edits_free(&edits);
        return "must have at most 4096 bytes together";
    }
    *ret = edits;
    return NULL;
}

void header_edits_free(struct header_edits *edits) {
    free(edits->lines);
    free(edits->off);
    free(edits->names);
    *edits = (struct header_edits){0};
}

bool header_edits_take_off(const struct header_edits *edits, const char *name, size_t n) {
    if (edits->n_off == 0 || n == 0 || (edits->hints & hint_of(name, n)) == 0)
        return false;
    for (size_t i = 0; i < edits->n_off; i++) {
        const struct header_name *off = &edits->off[i];
        size_t k = 0;

        while (off->n == n && k < n && folded_byte(name[k]) == off->text[k])
            k++;
        if (off->n == n && k == n)
            return true;
    }
    return false;
}
