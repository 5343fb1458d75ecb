#include "upstream/watcher.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "upstream/bulletin.h"
#include "upstream/reach.h"

struct watcher {
    struct upstream *upstream;
    const struct server *server; /* of it */
    struct member *member;       /* a reference */
};

static void say_checked(struct watcher *watcher, bool up, const char *why) {
    struct upstream *upstream = watcher->upstream;
    struct member_fields fields;
    char text[MEMBER_TEXT_MAX];
    size_t all, usable;

    upstream_count(upstream, &all, &usable);
    member_format(watcher->member, text, sizeof(text));
    log_msg_with(up ? MSG_SERVER_UP : MSG_SERVER_DOWN,
                 member_fields(&fields, watcher->member, up ? "up" : "down"),
                 "Server %s is %s: %s. %zu of %zu addresses of %s are usable.", text,
                 up ? "up" : "down", why, usable, all, upstream->config->name);
    if (usable == 0)
        upstream_say_unreachable(upstream);
    else if (up)
        upstream_say_reachable(upstream);
}

static void say_flaps(const struct watcher *watcher, int64_t rise) {
    const struct member *member = watcher->member;
    char text[MEMBER_TEXT_MAX];
    struct member_fields fields;

    member_format(member, text, sizeof(text));
    (void)member_fields(&fields, member, member_state(member));
    if (rise > watcher->upstream->config->health_check.rise)
        log_msg_with(
            MSG_SERVER_FLAPS, fields.list,
            "Server %s goes up and down again and again: it stays down until %lld checks in a "
            "row succeed.",
            text, (long long)rise);
    else
        log_msg_with(MSG_SERVER_FLAPS, fields.list,
                     "Server %s has calmed down: %lld checks in a row are enough again.", text,
                     (long long)rise);
}

/* What a check of one that is down says now is not logged, but shown to who asks. */
static void renew_trouble(struct watcher *watcher, const char *why) {
    if (member_note_trouble(watcher->member, why))
        bulletin_note_trouble(watcher->upstream->bulletin, watcher->member, why);
}

/* one_judge: only the checker of the configuration in force changes a member's history. An upstream
 * is retired under its lock, before the next checker begins. *ret_rise: good checks until it is up
 * again; *ret_down: it is down, by this checker's word. */
static struct check_news judge_member(struct watcher *watcher, bool good, int64_t *ret_rise,
                                      bool *ret_down) {
    const struct health_check_config *config = &watcher->upstream->config->health_check;
    struct upstream *upstream = watcher->upstream;
    struct check_news news = {.changed = false};

    lock_acquire(&upstream->lock);
    if (!upstream->retired)
        news = member_checked(watcher->member, config, good, clock_now());
    *ret_down = !upstream->retired && watcher->member->history.down;
    *ret_rise = check_history_rise(&watcher->member->history, config);
    lock_release(&upstream->lock);
    return news;
}

static void on_checked(void *arg, bool good, const char *why) {
    struct watcher *watcher = arg;
    struct upstream *upstream = watcher->upstream;
    char row[64] = "a check succeeded";
    int64_t rise;
    bool down;
    struct check_news news = judge_member(watcher, good, &rise, &down);

    if (news.changed && !good)
        upstream_note_trouble(upstream, watcher->member, why);
    else if (down && !good)
        renew_trouble(watcher, why);
    if (news.checks > 1)
        snprintf(row, sizeof(row), "%lld checks in a row succeeded", (long long)news.checks);
    if (news.changed)
        say_checked(watcher, good, good ? row : why);
    if (news.flaps)
        say_flaps(watcher, rise);
    if (news.changed && !good && upstream->config->on_down == ON_DOWN_RESET)
        upstream->shared->on_down(upstream->shared->arg, watcher->member);
}

static void on_cut_off(void *arg, int error) {
    const struct watcher *watcher = arg;
    bool known = atomic_load_explicit(&watcher->member->cut_off, memory_order_relaxed) != 0;

    if (error != 0 && !known)
        reach_lost(watcher->upstream, watcher->member, error);
    else if (error == 0 && known)
        reach_review(watcher->upstream, watcher->member);
}

static bool wants_check(void *arg) {
    const struct watcher *watcher = arg;

    return server_is_checked(watcher->server);
}

static void on_release(void *arg) {
    struct watcher *watcher = arg;

    member_unref(watcher->member);
    free(watcher);
}

/* For as long as the member lives, so that a reload does not move its place in the interval. */
static uint64_t check_number(struct member *member) {
    static _Atomic uint64_t last;
    uint64_t none = 0, fresh = atomic_load(&member->check_number);

    if (fresh != 0)
        return fresh;
    fresh = atomic_fetch_add(&last, 1) + 1;
    return atomic_compare_exchange_strong(&member->check_number, &none, fresh) ? fresh : none;
}

struct health_target *watcher_begin(const struct server *server, struct member *member) {
    struct upstream *upstream = server->upstream;
    const struct upstream_config *config = upstream->config;
    struct watcher *watcher;

    if (!config->health_check.given)
        return NULL;
    watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL)
        return NULL;
    watcher->upstream = upstream;
    watcher->server = server;
    watcher->member = member_ref(member);
    usec_t last = atomic_load(&member->checked_at);
    const struct check_wish wish = {
        .config = &config->health_check,
        .addr = member->addr,
        .sources = &config->source_address,
        .send_proxy = (enum proxy_version)config->send_proxy,
        .tls = config->tls.client,
        .host = server->config->host,
        .strict = config->serves_http,
        .number = check_number(member),
        .soon = last == 0 || clock_now() - last > config->health_check.interval ||
                upstream->checks_anew,
        .checked = on_checked,
        .cut_off = on_cut_off,
        .wanted = wants_check,
        .release = on_release,
        .arg = watcher,
    };
    struct health_target *target = health_add(upstream->shared->health, &wish);
    if (target == NULL)
        on_release(watcher);
    return target;
}
