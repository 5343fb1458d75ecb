/* untrusted: what stands in the table was written by a process that may have died of its own
 * mistakes. It is copied into nothing before it has been looked at, and a connection for which it
 * makes no sense is reset. */
#include "relay/adopt.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sockopt.h"
#include "base/stats.h"
#include "conn/adopt_bytes.h"
#include "handover/sound.h"
#include "handover/crash.h"
#include "relay/adopt_route.h"
#include "relay/adopt_steps.h"
#include "road/exchanges.h"

/* So long those that have nothing under way may keep this process from being ready; so long, then,
 * are the threads made here and not by the adopter. */
#define PATIENCE (10 * USEC_PER_MSEC)

/* What is under way. */
struct adopting {
    struct relay *relay;
    usec_t since;        /* when the connections came to a halt; 0: unknown */
    usec_t *stills;      /* how long each stood still; NULL: no memory */
    struct conn **quiet; /* those without pumps, to which there is time; NULL: no memory */
    size_t n_quiet;
    size_t unmanned; /* those that were reset for want of threads */
    struct adoption result;
};

static bool is_known(const struct relay *relay, const struct legacy *legacy) {
    const struct table *table = relay->road.link->table;

    return legacy->slot < table->n && state_is_sound(&table->states[legacy->slot]) &&
           (!table->states[legacy->slot].by_steps || adopt_is_sound(table, legacy->slot));
}

/* The ends of one pipe. */
static bool is_pipe(int read_end, int write_end, ino_t *ret_inode) {
    struct stat in, out;

    if (fstat(read_end, &in) < 0 || fstat(write_end, &out) < 0 || !S_ISFIFO(in.st_mode) ||
        !S_ISFIFO(out.st_mode) || in.st_ino != out.st_ino)
        return false;
    *ret_inode = in.st_ino;
    return true;
}

static bool is_stream(int fd) {
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           !fd_listens(fd);
}

/* In the order of a message that holds a connection (link.c). */
static bool are_descriptors_sound(const struct legacy *legacy, bool by_steps) {
    ino_t up = 0, down = 0;

    return is_stream(legacy->fd[0]) && is_stream(legacy->fd[1]) &&
           ((by_steps && legacy->fd[2] < 0) ||
            (is_pipe(legacy->fd[2], legacy->fd[3], &up) &&
             is_pipe(legacy->fd[4], legacy->fd[5], &down) && up != down));
}

static const char *find_fault(const struct relay *relay, const struct legacy *legacy) {
    if (!is_known(relay, legacy))
        return "what was noted of it makes no sense";
    if (relay->road.link->table->slots[legacy->slot].used)
        return "it was held twice";
    if (crash_is_often(relay->road.link->table->states[legacy->slot].crashes, clock_now()))
        return "relayd crashed three times within a minute while it worked for it";
    if (legacy->fd[0] < 0 && legacy->fd[1] < 0)
        return "there were no descriptors for it (raise LimitNOFILE)";
    const struct conn_state *state = &relay->road.link->table->states[legacy->slot];
    if (!are_descriptors_sound(legacy, state->by_steps))
        return "its descriptors are not what they should be";
    if (!state_lacks_bytes(state))
        return NULL;
    return "a byte of it was in the memory of the previous process";
}

/* server: whether it goes on to its server, too. */
static void take_places(struct relay *relay, const struct record *record, int client, bool server,
                        struct holdings *has) {
    const struct route *route = adopt_route(relay, record, client);

    if (route != NULL)
        seat_adopt(&has->seat, route->limit, &record->client);
    if (!server)
        return;
    const struct addr addr = scope_recall(&record->server_addr);
    struct member *member =
        upstreams_member(relay->current->upstreams, record->upstream, record->server, &addr);
    if (member != NULL)
        member_enter(member);
    member_unref(member);
    has->member = member;
    struct line *line = generation_line(relay->current, record->upstream);
    has->line = line != NULL ? line_ref(line) : NULL;
}

/* The time for which it stood still does not make it idle. Where the previous process was killed
 * after it had moved this, that time counts twice: no later than now, then. */
static usec_t moment_moved(usec_t moment, usec_t stood) {
    usec_t now = clock_now();

    return moment + stood < now ? moment + stood : now;
}

/* A step that is not done stays so: if this process is killed, the next one is told. */
static void continue_step(struct conn *conn, enum direction dir, const struct passage_rest *rest) {
    struct flow *flow = &conn->state->flow[dir];

    /* The previous process may have died while its reads were timed (copy_passage.c). */
    if (sockopt_set_receive_timeout(conn->fd[conn_source(dir)], 0) < 0)
        conn_abort(conn, END_NOT_ADOPTED, 0);
    conn->rest[dir] = *rest;
    if (!rest->undone)
        passage_done(&conn->passages->way[dir]);
    atomic_store(&flow->bytes, passage_now(&conn->passages->way[dir])->bytes);
    atomic_store(&flow->writing, false);
}

/* The state of the directions, as this process goes on with it. *ret_arrived: whether one of the
 * sockets has something to be read, if all is well. */
static bool continue_flows(struct conn *conn, usec_t stood, const struct passage_rest rest[2],
                           bool *ret_arrived) UNCHECKED {
    const struct table_slot *slot = &conn->hold.link->table->slots[conn->hold.slot];

    *ret_arrived = false;
    for (int dir = 0; dir < 2; dir++) {
        struct adopt_sight source = adopt_look(conn->fd[conn_source((enum direction)dir)]);
        struct flow *flow = &conn->state->flow[dir];
        int in_pipe = 0;

        *ret_arrived |= source.arrived;
        atomic_store(&conn->doubtful[conn_source((enum direction)dir)], source.tcp);
        if (conn->passages != NULL) {
            continue_step(conn, (enum direction)dir, &rest[dir]);
        } else {
            if (ioctl(slot->pipe[dir].read, FIONREAD, &in_pipe) < 0)
                return false;
            conn->in_hand[dir] = (size_t)in_pipe;
            if (atomic_load(&flow->writing))
                atomic_store(&flow->bytes, adopt_bytes(conn, (enum direction)dir, (size_t)in_pipe));
            atomic_store(&flow->writing, false);
        }
        atomic_store(&flow->active, moment_moved(atomic_load(&flow->active), stood));
        if (flow->ended && in_pipe > 0) {
            flow->ended = false; /* it cannot be: a reset it is */
            return false;
        }
    }
    return true;
}

/* Whether a pump would have anything to do just now. */
static bool has_work(const struct conn *conn, bool arrived) UNCHECKED {
    const struct conn_state *state = conn->state;

    if (state->aborted || state->expired != 0 || state->lingering)
        return true;
    for (int dir = 0; dir < 2; dir++)
        if (conn->in_hand[dir] > 0 || conn->rest[dir].undone || state->flow[dir].ended ||
            state->flow[dir].sink_error != 0)
            return true;
    return arrived;
}

static void set_going(struct adopting *adopting, struct conn *conn) {
    if (!adopter_give_pumps(&adopting->relay->road.pumps, conn))
        adopting->unmanned++;
}

/* The threads of all that can wait: here, as long as that keeps nobody waiting, then beside
 * everything else. */
static void set_quiet_going(struct adopting *adopting) {
    usec_t until = clock_now() + PATIENCE;
    size_t done = 0;

    while (done < adopting->n_quiet && clock_now() < until)
        set_going(adopting, adopting->quiet[done++]);
    if (done < adopting->n_quiet)
        adopter_begin(&adopting->relay->adopter, &adopting->relay->road.pumps, adopting->quiet,
                      done, adopting->n_quiet);
    else
        free(adopting->quiet);
    adopter_say_unmanned(adopting->unmanned);
    adopting->result.adopted -= adopting->unmanned;
    adopting->result.failed += adopting->unmanned;
}

/* Whether on_down = reset is due: the previous process may have died before it was done with that,
 * or an order came meanwhile, and reset only what there was. */
static bool is_to_be_reset(const struct relay *relay, const struct member *member) {
    const struct upstream *upstream =
        member != NULL ? upstreams_find(relay->current->upstreams, member->upstream) : NULL;

    return upstream != NULL && upstream_resets(upstream, member);
}

/* False: its listener has gone, or is one of mode tcp now; or there is no memory. */
static bool continue_exchange(struct relay *relay, struct conn *conn) {
    struct route *route = adopt_route(relay, &conn->state->record, conn->fd[SIDE_CLIENT]);

    return route != NULL && route->config->mode == MODE_HTTP &&
           exchanges_adopt(&relay->road, route, conn);
}

/* Makes a conn of it, which gets its pumps now or soon. NULL, or why not: then it is as before. */
static const char *continue_conn(struct adopting *adopting, struct legacy *legacy) {
    struct relay *relay = adopting->relay;
    struct table *table = relay->road.link->table;
    const struct record *record = &table->states[legacy->slot].record;
    struct holdings has = HOLDINGS_NONE;
    struct pipe_ends pipes[2] = {{legacy->fd[2], legacy->fd[3]}, {legacy->fd[4], legacy->fd[5]}};
    bool http = table->states[legacy->slot].options.exchanges;
    struct passage_rest rest[2] = {{0}};
    const char *why = NULL;

    has.client = legacy->fd[0];
    has.server = legacy->fd[1];
    if (table->states[legacy->slot].by_steps)
        why = adopt_steps(table, legacy->slot, &has, (int[2]){legacy->fd[2], legacy->fd[4]}, rest);
    if (why != NULL)
        return why;
    bool server = !http || adopt_has_leg(&table->passages[legacy->slot], legacy->fd[1]);
    take_places(relay, record, legacy->fd[0], server, &has);
    /* The conn may give its own back. */
    struct member *member = has.member != NULL ? member_ref(has.member) : NULL;
    struct conn *conn = conn_new_adopted(relay->road.link, legacy->slot, &relay->road.registry,
                                         &relay->road.gate, &relay->road.pipes, &has);
    if (conn == NULL) {
        has.client = has.server = -1; /* still the legacy's */
        holdings_give_back(&has);
        member_unref(member);
        return "there is no memory for it";
    }
    for (size_t i = 0; i < KEEPER_FDS; i++)
        legacy->fd[i] = -1;
    table_adopt(table, legacy->slot, pipes);
    if (!server) /* before anything is done to it */
        exchanges_leave_leg(&relay->road, conn);
    gate_force_enter(&relay->road.gate);
    usec_t stood = adopting->since != 0 ? clock_now() - adopting->since : 0;
    bool arrived;
    if (!continue_flows(conn, stood, rest, &arrived))
        conn_abort(conn, END_NOT_ADOPTED, 0);
    if (http && !continue_exchange(relay, conn))
        conn_abort(conn, END_NOT_ADOPTED, 0);
    conn_redo(conn);
    bool waits = adopting->quiet != NULL && !has_work(conn, arrived);
    conn_register(conn); /* it is as it should be when the reaper sees it */
    if (is_to_be_reset(relay, member)) {
        conn_abort(conn, END_SERVER_DOWN, 0);
        waits = false;
    }
    member_unref(member);
    if (adopting->stills != NULL)
        adopting->stills[adopting->result.adopted] = stood;
    if (waits)
        adopting->quiet[adopting->n_quiet++] = conn;
    else
        set_going(adopting, conn);
    return NULL;
}

/* A leg that went from an exchange to another one is held for both (shared_leg in conn/exchange.h).
 */
static bool is_anothers_leg(const struct relay *relay, const struct legacy *legacy) {
    const struct table *table = relay->road.link->table;

    return is_known(relay, legacy) && table->states[legacy->slot].options.exchanges &&
           !passage_leg_is(&table->passages[legacy->slot], legacy->fd[1]);
}

static void give_up_legacy(struct adopting *adopting, struct legacy *legacy, const char *why) {
    struct relay *relay = adopting->relay;
    const struct table *table = relay->road.link->table;

    adopting->result.failed++;
    stats_add(STAT_not_adopted, 1);
    if (is_known(relay, legacy))
        log_msg(MSG_ADOPT_FAILED, "Connection %llu to %s could not be adopted: %s. It was reset.",
                (unsigned long long)table->states[legacy->slot].record.number,
                table->states[legacy->slot].record.listener, why);
    else
        log_msg(MSG_ADOPT_FAILED, "A held connection could not be adopted: %s. It was reset.", why);
    fd_reset(legacy->fd[0]);
    if (!is_anothers_leg(relay, legacy))
        fd_reset(legacy->fd[1]);
}

/* Nothing of it is to be found by the next relayd. */
static void forget_legacy(struct relay *relay, const struct legacy *legacy) {
    struct table *table = relay->road.link->table;

    if (legacy->slot < table->n) {
        if (table->slots[legacy->slot].used) /* by one that was adopted */
            return;
        table_give_up(table, legacy->slot);
    }
    link_disown(relay->road.link, legacy->slot);
}

/* It had ended, and only its release did not arrive. */
static bool is_legacy_over(const struct relay *relay, const struct legacy *legacy) {
    const struct table *table = relay->road.link->table;

    return legacy->slot < table->n && atomic_load(&table->states[legacy->slot].live) == 0;
}

static void adopt_legacy(struct adopting *adopting, struct legacy *legacy) {
    struct relay *relay = adopting->relay;

    if (!is_legacy_over(relay, legacy)) {
        const char *why = find_fault(relay, legacy);

        if (why == NULL)
            why = continue_conn(adopting, legacy);
        if (why == NULL) {
            adopting->result.adopted++;
            return;
        }
        give_up_legacy(adopting, legacy, why);
    }
    forget_legacy(relay, legacy);
}

static int compare_stills(const void *a, const void *b) {
    usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;

    return x < y ? -1 : x > y;
}

struct adoption adopt_all(struct relay *relay) {
    struct heritage *heritage = &relay->heritage;
    struct table_head *head = relay->road.link->table->head;
    struct adopting adopting = {.relay = relay, .since = atomic_exchange(&head->parked, 0)};

    if (adopting.since <= 0 || adopting.since > clock_now())
        adopting.since = heritage->gone;
    adopting.stills = calloc(heritage->n_conns + 1, sizeof(*adopting.stills));
    adopting.quiet = calloc(heritage->n_conns + 1, sizeof(struct conn *));
    for (size_t i = 0; i < heritage->n_conns; i++) {
        uint32_t slot = heritage->conns[i].slot;

        atomic_store(&head->adopting, slot + 1); /* what a process that dies of it leaves behind */
        crash_at(slot);
        adopt_legacy(&adopting, &heritage->conns[i]);
    }
    atomic_store(&head->adopting, 0);
    crash_at(CRASH_NOBODY);
    table_begin(relay->road.link->table);
    size_t n = adopting.result.adopted;
    set_quiet_going(&adopting);
    if (adopting.stills != NULL && n > 0) {
        qsort(adopting.stills, n, sizeof(*adopting.stills), compare_stills);
        adopting.result.median = adopting.stills[n / 2];
        adopting.result.longest = adopting.stills[n - 1];
    }
    free(adopting.stills);
    stats_add(STAT_adopted, adopting.result.adopted);
    heritage_free(heritage);
    return adopting.result;
}
