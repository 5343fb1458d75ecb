#include "http/target.h"

#include <string.h>

bool http_target_stays(const struct http1_head *head, const struct route_config *options) {
    return !head->absolute && !options->strip_prefix;
}

/* How many bytes the segments of the route's path have in this one. They may be encoded otherwise,
 * but "/" never is (HTTP_MATCH_PATH). */
static size_t prefix_length(const char *path, size_t n, const struct route_config *options) {
    const char *pattern = options->pattern + options->n_host;
    size_t at = 0;

    if (!options->strip_prefix || pattern[0] == '\0' || n == 0 || path[0] != '/')
        return 0;
    for (pattern++; *pattern != '\0'; pattern++) {
        if (*pattern != '/')
            continue;
        const char *slash = at + 1 < n ? memchr(path + at + 1, '/', n - at - 1) : NULL;
        at = slash != NULL ? (size_t)(slash - path) : n;
    }
    return at;
}

void http_target_write(const char *bytes, const struct http1_head *head,
                       const struct route_config *options, struct http_out *out) {
    const char *path = bytes + head->path.at;
    size_t n = head->path.n, skipped = prefix_length(path, n, options);

    if (n == 0 && head->query.n == 0 && head->method == HTTP1_OPTIONS) {
        http_out_text(out, "*"); /* RFC 9112, 3.2.4 */
        return;
    }
    if (skipped == n)
        http_out_text(out, "/");
    http_out_keep(out, path + skipped, n - skipped);
    http_out_keep(out, bytes + head->query.at, head->query.n);
}
