#include "upstream/watcher.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"

struct watcher {
    struct upstream *upstream;
    struct member *member; /* a reference */
};

static void say_checked(struct watcher *watcher, bool up, const char *why) {
    struct upstream *upstream = watcher->upstream;
    char text[MEMBER_TEXT_MAX];
    size_t all, usable;

    upstream_count(upstream, &all, &usable);
    member_format(watcher->member, text, sizeof(text));
    if (up)
        log_msg(MSG_SERVER_UP, "Server %s is up: %s. %zu of %zu addresses of %s can be used.", text,
                why, usable, all, upstream->config->name);
    else
        log_msg(MSG_SERVER_DOWN, "Server %s is down: %s. %zu of %zu addresses of %s can be used.",
                text, why, usable, all, upstream->config->name);
    if (usable == 0)
        upstream_say_unreachable(upstream);
    else if (up)
        upstream_say_reachable(upstream);
}

/* Takes the change in, unless a newer configuration is in force: what it knows must not be changed any more. False:
 * nothing has changed. */
static bool take_change(struct watcher *watcher, bool up) {
    struct upstream *upstream = watcher->upstream;

    lock_acquire(&upstream->lock);
    bool changes = !upstream->retired && atomic_load(&watcher->member->down) == up;
    if (changes)
        member_set_down(watcher->member, !up, clock_now());
    lock_release(&upstream->lock);
    return changes;
}

static void on_changed(void *arg, bool up, const char *why) {
    struct watcher *watcher = arg;
    struct upstream *upstream = watcher->upstream;

    if (!take_change(watcher, up))
        return;
    if (!up)
        upstream_note_trouble(upstream, watcher->member, why);
    say_checked(watcher, up, why);
    if (!up && upstream->config->on_down == ON_DOWN_RESET)
        upstream->all->on_down(upstream->all->arg, watcher->member);
}

/* The checker of the configuration before may have told something else in its last moment, after this one had begun. */
static void on_stayed(void *arg, bool up) {
    const struct watcher *watcher = arg;

    if (atomic_load_explicit(&watcher->member->down, memory_order_relaxed) == up)
        on_changed(arg, up, up ? "checks succeed" : "checks fail");
}

static void on_flaps(void *arg, unsigned rise) {
    struct watcher *watcher = arg;
    char text[MEMBER_TEXT_MAX];

    member_format(watcher->member, text, sizeof(text));
    if ((int64_t)rise > watcher->upstream->config->health_check.rise)
        log_msg(MSG_SERVER_FLAPS,
                "Server %s goes up and down again and again: it is held down until %u checks in a "
                "row succeed.",
                text, rise);
    else
        log_msg(MSG_SERVER_FLAPS, "Server %s has calmed down: %u checks in a row are enough again.",
                text, rise);
}

static void on_release(void *arg) {
    struct watcher *watcher = arg;

    member_unref(watcher->member);
    free(watcher);
}

struct health_target *watcher_begin(struct upstream *upstream, struct member *member) {
    const struct upstream_config *config = upstream->config;
    struct watcher *watcher;

    if (!config->health_check.given)
        return NULL;
    watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL)
        return NULL;
    watcher->upstream = upstream;
    watcher->member = member_ref(member);
    const struct health_wish wish = {
        .config = &config->health_check,
        .addr = member->addr,
        .source = config->source.len > 0 ? &config->source : NULL,
        .send_proxy = (enum proxy_version)config->send_proxy,
        .down = atomic_load(&member->down),
        .changed = on_changed,
        .stayed = on_stayed,
        .flaps = on_flaps,
        .release = on_release,
        .arg = watcher,
    };
    struct health_target *target = health_add(upstream->all->health, &wish);
    if (target == NULL)
        on_release(watcher);
    return target;
}
