#include "http/match.h"

#include <string.h>

#include "config/route_index.h"
#include "config/routes.h"

/* "*" is no path; of http://authority that is "/" (RFC 9110, 4.2.3). */
static struct http1_span path_of(const char *bytes, const struct http1_head *head) {
    struct http1_span path = head->path;

    if (path.n == 1 && bytes[path.at] == '*')
        path.n = 0;
    return path;
}

/* Few paths are, and all of the buffer is made zero. */
__attribute__((noinline)) static const struct route_config *
find_encoded(const struct route_index *index, const char *host, size_t n_host, const char *path,
             size_t n) {
    char normal[HTTP1_TARGET_MAX];

    return route_index_find(index, host, n_host, normal, route_normal_path(path, n, normal));
}

static const struct route_config *
find_http_route(const struct route_index *index, const char *bytes, const struct http1_head *head) {
    struct http1_span path = path_of(bytes, head);
    char host[HOST_NAME_SIZE];
    size_t n_host = route_normal_host(bytes + head->host.at, head->host.n, host);
    const char *text = bytes + path.at;
    size_t n = path.n;

    if (n == 0 && head->absolute) {
        text = "/";
        n = 1;
    } else if (index->paths && memchr(text, '%', n) != NULL) {
        return find_encoded(index, host, n_host, text, n);
    }
    return route_index_find(index, host, n_host, text, n);
}

enum http_match_outcome http_match(const struct listener_config *listener, const char *bytes,
                                   const struct http1_head *head,
                                   const struct route_config **ret_route) {
    const struct route_index *index = listener->index;
    struct http1_span path = path_of(bytes, head);
    const struct route_config *route = NULL;

    if (index != NULL && index->paths && path.n > 0 && !http1_path_is_plain(bytes, path))
        return HTTP_MATCH_PATH;
    if (index != NULL)
        route = find_http_route(index, bytes, head);
    if (route != NULL) {
        *ret_route = route;
        return HTTP_MATCH_ROUTE;
    }
    return listener->own.upstream != NO_UPSTREAM || listener->own.target.form != REDIRECT_NONE
               ? HTTP_MATCH_OWN
               : HTTP_MATCH_NONE;
}
