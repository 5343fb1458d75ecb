#include "config/foreign.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

static const char nginx[] = "nginx", haproxy[] = "HAProxy", both[] = "nginx and HAProxy";

/* Those that begin a line there and are no option of relayd. */
static const struct {
    const char *word, *of;
} words[] = {
    {"acl", haproxy},
    {"backend", haproxy},
    {"bind", haproxy},
    {"daemon", both},
    {"default-server", haproxy},
    {"default_backend", haproxy},
    {"defaults", haproxy},
    {"error_log", nginx},
    {"events", nginx},
    {"frontend", haproxy},
    {"global", haproxy},
    {"http", nginx},
    {"least_conn", nginx},
    {"listen", both},
    {"location", nginx},
    {"log", haproxy},
    {"maxconn", haproxy},
    {"nbthread", haproxy},
    {"option", haproxy},
    {"pid", nginx},
    {"proxy_connect_timeout", nginx},
    {"proxy_pass", nginx},
    {"proxy_protocol", nginx},
    {"proxy_set_header", nginx},
    {"proxy_timeout", nginx},
    {"resolver", nginx},
    {"resolvers", haproxy},
    {"server_name", nginx},
    {"stats", haproxy},
    {"stream", nginx},
    {"timeout", haproxy},
    {"use_backend", haproxy},
    {"user", nginx},
    {"worker_connections", nginx},
    {"worker_processes", nginx},
};

const char *foreign_find(const char *word) {
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].of;
    return NULL;
}
