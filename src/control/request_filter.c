#include "control/request_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "404", or "5xx". */
static bool read_status(const char *text, struct request_filter *filter) {
    bool class = strlen(text) == 3 && strcasecmp(text + 1, "xx") == 0;

    if (text[0] < '1' || text[0] > '9' || strlen(text) != 3 ||
        (!class && strspn(text, "0123456789") != 3))
        return false;
    filter->status_least = class ? (unsigned)(text[0] - '0') * 100 : (unsigned)atoi(text);
    filter->status_most = filter->status_least + (class ? 99 : 0);
    return true;
}

static bool read_of(const char *text, struct request_filter *filter) {
    static const struct {
        const char *word;
        unsigned hears;
    } words[] = {{"connections", LOG_TAP_ENDS},
                 {"requests", LOG_TAP_REQUESTS},
                 {"all", LOG_TAP_ENDS | LOG_TAP_REQUESTS}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(text, words[i].word) == 0)
            filter->hears = words[i].hears;
    return filter->hears != 0;
}

struct place {
    const char *name;
    char *text;
    size_t size;
};

/* Whether anything is asked for; *ret_long is what is too long. */
static bool read_texts(const struct place *places, size_t n,
                       const char *(*argument)(void *arg, const char *name), void *arg,
                       const struct place **ret_long) {
    bool any = false;

    *ret_long = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *text = argument(arg, places[i].name);

        any = any || text != NULL;
        if (text != NULL &&
            (size_t)snprintf(places[i].text, places[i].size, "%s", text) >= places[i].size)
            *ret_long = &places[i];
    }
    return any;
}

bool request_filter_read(struct request_filter *ret_filter,
                         const char *(*argument)(void *arg, const char *name), void *arg,
                         char ret_why[FILTER_WHY_MAX]) {
    const char *status = argument(arg, "status"), *of = argument(arg, "of");
    struct request_filter filter = {0};
    const struct place places[] = {{"method", filter.method, sizeof(filter.method)},
                                   {"host", filter.host, sizeof(filter.host)},
                                   {"path", filter.path, sizeof(filter.path)},
                                   {"route", filter.route, sizeof(filter.route)}},
                       *too_long;
    bool any = read_texts(places, ARRAY_LEN(places), argument, arg, &too_long) || status != NULL;

    if (too_long != NULL)
        snprintf(ret_why, FILTER_WHY_MAX, "%s= must not be longer than %zu bytes", too_long->name,
                 too_long->size - 1);
    else if (status != NULL && !read_status(status, &filter))
        snprintf(ret_why, FILTER_WHY_MAX,
                 "status=%.16s: must be a status, as 404, or a class of them, as 5xx", status);
    else if (of != NULL && !read_of(of, &filter))
        snprintf(ret_why, FILTER_WHY_MAX, "of=%.16s: must be connections, requests or all", of);
    else if (any && of != NULL && (filter.hears & LOG_TAP_REQUESTS) == 0)
        snprintf(ret_why, FILTER_WHY_MAX,
                 "of=connections: status=, method=, host=, path= and route= are of requests");
    else {
        if (of == NULL)
            filter.hears = any ? LOG_TAP_REQUESTS : LOG_TAP_ENDS;
        *ret_filter = filter;
        return true;
    }
    return false;
}

static bool takes_status(const struct request_filter *filter, const char *text) {
    unsigned status = (unsigned)atoi(text);

    return filter->status_least == 0 ||
           (status >= filter->status_least && status <= filter->status_most);
}

static bool is_text_wanted(const char *wanted, const char *value, bool any_case) {
    return wanted[0] == '\0' || (any_case ? strcasecmp(wanted, value) : strcmp(wanted, value)) == 0;
}

bool request_filter_takes(const struct request_filter *filter, const struct log_line *line) {
    if (!log_line_is_request(line))
        return true;
    return takes_status(filter, log_line_value(line, "RELAYD_STATUS")) &&
           is_text_wanted(filter->method, log_line_value(line, "RELAYD_METHOD"), true) &&
           is_text_wanted(filter->host, log_line_value(line, "RELAYD_HOST"), true) &&
           is_text_wanted(filter->route, log_line_value(line, "RELAYD_ROUTE"), false) &&
           strncmp(log_line_value(line, "RELAYD_PATH"), filter->path, strlen(filter->path)) == 0;
}
