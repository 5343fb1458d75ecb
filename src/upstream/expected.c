/* Members that connections of the process before lead to, and that DNS has not named yet. */
#include <stdlib.h>
#include <string.h>

#include "upstream/upstream.h"

static struct upstream *find_upstream(struct upstreams *upstreams, const char *name) {
    for (size_t i = 0; i < upstreams->n; i++)
        if (strcmp(upstreams->list[i].config->name, name) == 0)
            return &upstreams->list[i];
    return NULL;
}

struct member *upstream_find_expected(struct upstream *upstream, const char *server,
                                      const struct addr *addr) {
    struct member *found = NULL;

    lock_acquire(&upstream->lock);
    for (size_t i = 0; i < upstream->n_expected && found == NULL; i++) {
        struct member *member = upstream->expected[i];

        if (strcmp(member->server, server) == 0 && addr_equal(&member->addr, addr))
            found = member_ref(member);
    }
    lock_release(&upstream->lock);
    return found;
}

static struct member *find(struct upstream *upstream, const char *server, const struct addr *addr) {
    struct member *member = upstream_find(upstream, server, addr);

    return member != NULL ? member : upstream_find_expected(upstream, server, addr);
}

/* There is no other thread yet. */
void upstreams_expect(struct upstreams *upstreams, const char *name, const char *server,
                      const struct addr *addr) UNCHECKED {
    struct upstream *upstream = find_upstream(upstreams, name);
    struct member *member = upstream != NULL ? find(upstream, server, addr) : NULL;

    if (upstream == NULL || member != NULL) {
        member_unref(member);
        return;
    }
    struct member **list =
        realloc(upstream->expected, (upstream->n_expected + 1) * sizeof(*upstream->expected));
    if (list == NULL)
        return;
    upstream->expected = list;
    member = member_new(name, server, addr);
    if (member != NULL)
        list[upstream->n_expected++] = member;
}

struct member *upstreams_member(struct upstreams *upstreams, const char *name, const char *server,
                                const struct addr *addr) {
    struct upstream *upstream = find_upstream(upstreams, name);
    struct member *member = upstream != NULL ? find(upstream, server, addr) : NULL;

    return member != NULL ? member : member_new(name, server, addr);
}
