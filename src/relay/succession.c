#include "relay/succession.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "conn/sweep.h"
#include "handover/sound.h"
#include "handover/crash.h"
#include "relay/adopt.h"
#include "relay/steer.h"

#define ROOM_LEAST                                                                                 \
    10000 /* connections that a reload may raise max_connections to without a restart */

/* Nothing of it can go on, or is to. */
static void drop_heirs(int fd, struct heritage *heritage, const char *why) {
    if (heritage->n_conns > 0)
        log_msg(MSG_ADOPT_FAILED, "%s: the %zu connections that were held are reset.", why,
                heritage->n_conns);
    for (size_t i = 0; i < heritage->n_conns; i++) {
        fd_reset(heritage->conns[i].fd[0]);
        fd_reset(heritage->conns[i].fd[1]);
    }
    stats_add(STAT_not_adopted, heritage->n_conns);
    size_t n_slots = heritage->n_slots;
    heritage_free(heritage);
    heritage->n_slots = n_slots;
    link_drop_held(fd);
}

/* Whether relayd has crashed again and again, and no connection is to blame: whatever crashes it
 * may be in what is held. (A connection that is to blame is given up when it is adopted.) What died
 * while it adopted one has noted which. */
static bool crashes_for_all(struct table *table) {
    struct table_head *head = table->head;
    uint32_t adopting = atomic_exchange(&head->adopting, 0);
    usec_t now = clock_now();
    bool often = crash_is_often(head->crashes, now);
    struct table_walk walk = {0};
    size_t i;

    if (adopting > 0 && adopting <= table->n)
        crash_note(table->states[adopting - 1].crashes, now);
    if (often)
        memset(head->crashes, 0, sizeof(head->crashes));
    while (often && table_walk(table, &walk, &i))
        if (atomic_load(&table->states[i].live) != 0 &&
            crash_is_often(table->states[i].crashes, now))
            often = false;
    return often;
}

/* The table that was held, as large as it has to be, or a new one. */
static int get_table(int fd, size_t room, struct heritage *heritage, struct table **ret_table,
                     bool *ret_fresh) {
    int r = heritage->table >= 0 ? table_open(&heritage->table, ret_table) : -EPROTO;
    size_t n = heritage->n_slots < room ? heritage->n_slots : room;
    const char *useless = NULL;
    struct table *before = NULL;

    if (r == -EPROTO) {
        useless = "What the previous relayd noted cannot be read (is it another version?)";
    } else if (r < 0) {
        return r;
    } else if (crashes_for_all(*ret_table)) {
        before = *ret_table;
        useless = "relayd crashed three times within a minute and adopts nothing this time";
    }
    *ret_fresh = useless != NULL;
    if (useless != NULL) {
        drop_heirs(fd, heritage, useless);
        r = table_new(n, ret_table);
        if (r == 0 && before != NULL) { /* what operators ordered goes on, and keys of tickets */
            memcpy(&(*ret_table)->head->steering, &before->head->steering, sizeof(struct steering));
            (*ret_table)->head->tickets = before->head->tickets;
        }
        table_free(before);
        return r;
    }
    if ((*ret_table)->n < n)
        *ret_fresh = table_enlarge(ret_table, n) == 0; /* or it goes on with fewer */
    return 0;
}

/* What stands in the table of listening sockets was written by a process that may have been killed
 * meanwhile. What the keeper has given is what there is. */
static void check_listeners(struct table *table, const struct heritage *heritage) {
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++) {
        struct listen_description *noted = &table->head->listeners[i];

        if (!listener_is_sound(noted))
            *noted = (struct listen_description){.addr = {.len = 0}};
        noted->used = heritage->listeners[i] >= 0;
    }
}

/* outcome: of attaching. 0 or -errno. */
static int make_link(struct relay *relay, const struct link_terms *terms, int *fd,
                     enum link_outcome outcome) {
    struct table *table = NULL;
    bool fresh = true;
    int r = outcome == LINK_OK ? get_table(*fd, terms->room, &relay->heritage, &table, &fresh)
                               : table_new(terms->room, &table);

    if (r < 0)
        return r;
    struct link *link = aligned_alloc(_Alignof(struct link), sizeof(*link));
    r = link == NULL ? -ENOMEM
                     : link_init(link, terms, fd, table, fresh, sweep_hold_missing,
                                 &relay->road.registry, outcome);
    if (r < 0) {
        free(link);
        table_free(table);
        return r;
    }
    table_forget_former(table);
    check_listeners(table, &relay->heritage);
    stats_use(table->head->counters);
    steer_begin(&table->head->steering);
    tickets_begin(&table->head->tickets);
    relay->road.link = link;
    crash_watch(table);
    return 0;
}

/* It is closed at the keeper where this relayd listens, or once it is attached. */
static void say_lost(const char *path, enum link_outcome outcome, const struct link_why *why) {
    if (outcome == LINK_FAILED && why->want)
        log_msg(MSG_ADOPT_FAILED,
                "Nothing that relayd-keeper at %s may hold is adopted: connections of the previous "
                "relayd are reset.",
                path);
}

/* Attaches to the keeper; or, if that cannot be, makes a link that will. */
static void attach_keeper(struct relay *relay, const struct link_terms *terms, bool by_chance) {
    struct link_why why;
    int fd = -1;
    enum link_outcome outcome = link_attach(terms, false, &fd, &relay->heritage, &why);

    if (outcome == LINK_OK) {
        int r = make_link(relay, terms, &fd, LINK_OK);
        if (r == 0) {
            log_msg(MSG_KEEPER,
                    "Connections outlive relayd: relayd-keeper at %s holds up to %zu of them.",
                    terms->path, relay->road.link->table->n);
            return;
        }
        drop_heirs(fd, &relay->heritage, "There was no memory to adopt with");
        fd_close(&fd);
        outcome = LINK_FAILED;
        why = (struct link_why){.error = -r};
    }
    link_log_outcome(outcome, &why, terms->path, by_chance);
    say_lost(terms->path, outcome, &why);
    if (make_link(relay, terms, &fd, outcome) < 0)
        fd_close(&fd);
}

void succession_begin(struct relay *relay, const struct config *config,
                      const char name[KEEPER_NAME_MAX]) {
    const struct global_config *global = &config->global;
    bool automatic = strcmp(global->keeper, "auto") == 0;
    size_t wanted = (size_t)global->max_connections;
    struct link_terms terms = {.path = automatic ? KEEPER_SOCKET : global->keeper,
                               .name = relay->name,
                               .room = wanted > ROOM_LEAST ? wanted : ROOM_LEAST,
                               .keeper_timeout = global->keeper_timeout};

    strcpy(relay->name, name);
    relay->keeper = strdup(global->keeper); /* without memory nothing is told of it */
    if (strcmp(global->keeper, "off") != 0)
        attach_keeper(relay, &terms, automatic);
    atomic_store(&relay->adopts, relay->heritage.n_conns > 0);
}

void succession_adopt(struct relay *relay) {
    char median[32], longest[32], failed[96] = "";

    if (relay->road.link == NULL)
        return;
    struct adoption adoption = adopt_all(relay);
    atomic_store(&relay->adopts, false);
    if (adoption.adopted == 0 && adoption.failed == 0)
        return;
    if (adoption.failed > 0)
        snprintf(failed, sizeof(failed), " %zu could not be adopted and were reset.",
                 adoption.failed);
    if (adoption.adopted == 0)
        log_msg(MSG_ADOPTED, "Adopted no connections of the previous relayd.%s", failed);
    else
        log_msg(MSG_ADOPTED,
                "Adopted %zu connection%s, which paused for %s (median) and %s at most.%s",
                adoption.adopted, adoption.adopted == 1 ? "" : "s",
                text_human_time(adoption.median, median, sizeof(median)),
                text_human_time(adoption.longest, longest, sizeof(longest)), failed);
}

void succession_complete(struct relay *relay) {
    if (relay->road.link == NULL)
        return;
    link_disown_listeners(relay->road.link);
    if (link_start(relay->road.link) < 0)
        log_msg(MSG_KEEPER_TROUBLE,
                "There is no thread to look after relayd-keeper: if that is "
                "restarted, connections end with relayd. Raise TasksMax.");
}

bool succession_awaits_restart(const struct relay *relay, const struct config *config) {
    return relay->keeper != NULL && strcmp(config->global.keeper, relay->keeper) != 0;
}

void succession_change(struct relay *relay, const char *keeper_before,
                       const char name[KEEPER_NAME_MAX]) {
    const struct config *config = relay->current->config;

    if (strcmp(config->global.keeper, keeper_before) != 0 &&
        succession_awaits_restart(relay, config))
        log_msg(MSG_KEEPER, "keeper = %s will be in force once relayd is restarted.",
                config->global.keeper);
    strcpy(relay->name, name);
    if (relay->road.link != NULL)
        link_set_terms(relay->road.link, config->global.keeper_timeout, relay->name);
}
