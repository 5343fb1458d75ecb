#include "daemon/keeping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "daemon/limits.h"
#include "relay/adopt.h"
#include "relay/adopt_record.h"

static void say_outcome(int outcome, const char *path, bool automatic, unsigned version) {
    switch (outcome) {
    case LINK_NOBODY:
        if (automatic)
            log_msg(MSG_KEEPER,
                    "Connections end with relayd: no relayd-keeper listens at %s. To have one: "
                    "systemctl enable --now relayd-keeper.socket, then restart relayd.",
                    path);
        else
            log_msg(MSG_KEEPER_TROUBLE,
                    "Connections end with relayd: no relayd-keeper listens at %s. Start one, then "
                    "restart relayd.",
                    path);
        break;
    case LINK_SILENT:
        log_msg(MSG_KEEPER_TROUBLE,
                "Connections end with relayd: relayd-keeper at %s does not answer, or this user "
                "may not use it. If it still holds listening sockets, they cannot be opened. See "
                "systemctl status relayd-keeper; restart it, then relayd.",
                path);
        break;
    case LINK_BUSY:
        log_msg(MSG_KEEPER_TROUBLE,
                "Connections end with this relayd: another one uses relayd-keeper at %s. Give each "
                "a keeper of its own (keeper = PATH), or say keeper = off.",
                path);
        break;
    case LINK_OTHER_VERSION:
        log_msg(
            MSG_KEEPER_TROUBLE,
            "Connections end with relayd: relayd-keeper at %s speaks version %u, and this relayd "
            "speaks version %d. Restart relayd-keeper, then relayd.",
            path, version, KEEPER_VERSION);
        break;
    default:
        log_msg(MSG_KEEPER_TROUBLE, "Connections end with relayd: relayd-keeper at %s: %s.", path,
                strerrordesc_np(-outcome));
    }
}

/* What was noted cannot be read: nothing of it can go on. */
static void drop_heirs(int fd, struct heritage *heritage) {
    struct keeper_message forget = keeper_message(KEEPER_FORGET);

    if (heritage->n_conns > 0)
        log_msg(MSG_ADOPT_FAILED,
                "What the relayd before has noted cannot be read (is it another version?): the "
                "%zu connections that were held are reset.",
                heritage->n_conns);
    for (size_t i = 0; i < heritage->n_conns; i++) {
        fd_reset(heritage->conns[i].fd[0]);
        fd_reset(heritage->conns[i].fd[1]);
    }
    stats_add(STAT_not_adopted, heritage->n_conns);
    size_t n_slots = heritage->n_slots;
    heritage_free(heritage);
    heritage->n_slots = n_slots;
    (void)keeper_send(fd, &forget, 0);
    (void)link_await_pong(fd); /* the listening sockets are closed then, and can be bound anew */
}

/* The table that was held, or a new one. */
static int get_table(int fd, struct heritage *heritage, struct table **ret_table, bool *ret_fresh) {
    int r = heritage->table >= 0 ? table_open(&heritage->table, ret_table) : -EPROTO;

    *ret_fresh = r == -EPROTO;
    if (r != -EPROTO)
        return r;
    drop_heirs(fd, heritage);
    return table_new(heritage->n_slots, ret_table);
}

/* What stands in the table of listening sockets was written by a process that may have been killed meanwhile. What the
 * keeper has given is what there is. */
static void check_listeners(struct table *table, const struct heritage *heritage) {
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++) {
        struct table_listener *noted = &table->head->listeners[i];

        if (!listener_is_sound(noted))
            *noted = (struct table_listener){.addr = {.len = 0}};
        noted->used = heritage->listeners[i] >= 0;
    }
}

static int make_link(struct relay *relay, const char *path, int *fd, usec_t keeper_timeout) {
    struct table *table = NULL;
    bool fresh = false;
    int r = get_table(*fd, &relay->heritage, &table, &fresh);

    if (r < 0)
        return r;
    struct link *link = aligned_alloc(_Alignof(struct link), sizeof(*link));
    r = link == NULL ? -ENOMEM
                     : link_init(link, path, fd, table, fresh, &relay->registry, keeper_timeout);
    if (r < 0) {
        free(link);
        table_free(table);
        return r;
    }
    check_listeners(table, &relay->heritage);
    stats_use(table->head->counters);
    relay->link = link;
    return 0;
}

void keeping_begin(struct relay *relay, const struct config *config) {
    const char *keeper = config->global.keeper;
    bool automatic = strcmp(keeper, "auto") == 0;
    const char *path = automatic ? KEEPER_SOCKET : keeper;
    int fd = -1;

    if (strcmp(keeper, "off") == 0) {
        log_msg(MSG_KEEPER, "Connections end with relayd: keeper = off.");
        return;
    }
    (void)limits_raise_descriptors(); /* what was held may be many */
    int r = link_attach(path, config->global.keeper_timeout, false, &fd, &relay->heritage);
    if (r == LINK_OK)
        r = make_link(relay, path, &fd, config->global.keeper_timeout);
    if (r != LINK_OK) {
        say_outcome(r, path, automatic, relay->heritage.version);
        heritage_free(&relay->heritage);
        fd_close(&fd);
        return;
    }
    log_msg(MSG_KEEPER, "Connections outlive relayd: relayd-keeper at %s holds up to %zu of them.",
            path, relay->link->table->n);
}

void keeping_adopt(struct relay *relay) {
    char median[32], longest[32], failed[96] = "";

    if (relay->link == NULL)
        return;
    bool before = relay->heritage.gone != 0;
    struct adoption adoption = adopt_all(relay);
    if (!before && adoption.adopted == 0 && adoption.failed == 0)
        return;
    if (adoption.failed > 0)
        snprintf(failed, sizeof(failed), " %zu could not be adopted and were reset.",
                 adoption.failed);
    if (adoption.adopted == 0)
        log_msg(MSG_ADOPTED, "Adopted no connections of the relayd before.%s", failed);
    else
        log_msg(MSG_ADOPTED,
                "Adopted %zu connection%s, which stood still for %s (median) and %s at most.%s",
                adoption.adopted, adoption.adopted == 1 ? "" : "s",
                text_human_time(adoption.median, median, sizeof(median)),
                text_human_time(adoption.longest, longest, sizeof(longest)), failed);
}

void keeping_settle(struct relay *relay) {
    if (relay->link == NULL)
        return;
    link_disown_listeners(relay->link);
    if (link_start(relay->link) < 0)
        log_msg(MSG_KEEPER_TROUBLE,
                "There is no thread to look after relayd-keeper: if that is "
                "restarted, connections end with relayd. Raise TasksMax.");
}

void keeping_change(struct relay *relay, const char *keeper_before) {
    const struct global_config *global = &relay->now->config->global;

    if (strcmp(global->keeper, keeper_before) != 0)
        log_msg(MSG_KEEPER, "keeper = %s will be in force once relayd is restarted.",
                global->keeper);
    if (relay->link != NULL)
        link_set_timeout(relay->link, global->keeper_timeout);
}
