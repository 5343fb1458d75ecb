/* The life of a conn: how it is made, who holds references, and what the last one does. */
#include "conn/conn.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/kill_point.h"
#include "base/stats.h"
#include "config/error_pages.h"
#include "handover/sound.h"
#include "tls/session.h"

enum side conn_source(enum direction dir) {
    return dir == DIR_UP ? SIDE_CLIENT : SIDE_SERVER;
}

enum side conn_sink(enum direction dir) {
    return dir == DIR_UP ? SIDE_SERVER : SIDE_CLIENT;
}

/* One that is in no table. */
struct with_state {
    struct conn conn; /* first: freed as one */
    struct conn_state state;
};

static size_t round_up(size_t size) { /* aligned_alloc(3) wants it */
    size_t unit = _Alignof(struct with_state);

    return (size + unit - 1) / unit * unit;
}

/* state: NULL, or what it has in a table. */
static struct conn *make_conn(struct conn_state *state, struct registry *registry,
                              struct gate *gate) UNCHECKED {
    size_t size = state == NULL ? sizeof(struct with_state) : sizeof(struct conn);
    struct with_state *both = aligned_alloc(_Alignof(struct with_state), round_up(size));

    if (both == NULL)
        return NULL;
    struct conn *conn = &both->conn;
    memset(both, 0, size);
    conn->state = state != NULL ? state : &both->state;
    conn->registry = registry;
    conn->gate = gate;
    conn->fd[SIDE_CLIENT] = conn->fd[SIDE_SERVER] = -1;
    atomic_init(&conn->refs, 1);
    return conn;
}

static void describe_state(struct conn_state *state, const struct record *record,
                           const struct conn_options *options, bool by_steps) UNCHECKED {
    usec_t now = clock_coarse();

    memset(state, 0, sizeof(*state));
    state->record = *record;
    state->options = *options;
    state->by_steps = by_steps;
    for (int dir = 0; dir < 2; dir++)
        atomic_init(&state->flow[dir].active, now);
    atomic_store(&state->live, CONN_STATE_LIVE); /* after the rest, see survives */
}

static void take_holdings(struct conn *conn, struct pipe_pool *pipes, struct holdings *has) {
    struct holdings taken = holdings_take(has);

    conn->pipes = pipes;
    conn->fd[SIDE_CLIENT] = taken.client;
    conn->fd[SIDE_SERVER] = taken.server;
    conn->tls[SIDE_CLIENT] = taken.client_tls;
    conn->tls[SIDE_SERVER] = taken.server_tls;
    conn->bearer = bearer_new(taken.shown);
    free(taken.shown); /* the server was told */
    conn->seat = taken.seat;
    conn->member = taken.member;
    conn->line = taken.line;
}

/* A plain side has no keys to be kept. */
static bool outlives(const struct tls_session *session) {
    return session == NULL || session->outlives;
}

/* The table finds it by this if the keeper has lost it. */
static void note_in_slot(struct conn *conn, struct hold *hold) {
    if (conn->hold.link != NULL)
        table_note_hold(conn->hold.link->table, conn->hold.slot, hold);
}

void conn_register(struct conn *conn) {
    struct registry *registry = conn->registry;
    usec_t now = clock_coarse(), next;

    note_in_slot(conn, &conn->hold);
    lock_acquire(&registry->lock);
    registry_add(registry, &conn->node, conn_glance(registry, conn, now, &next) ? next : now);
    lock_release(&registry->lock);
}

static void deregister_conn(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    registry_remove(conn->registry, &conn->node);
    lock_release(&conn->registry->lock);
    note_in_slot(conn, NULL);
}

bool conn_goes_on(const struct conn *conn, unsigned epoch) {
    return conn_is_held(conn, epoch) && !state_lacks_bytes(conn->state);
}

bool conn_is_held(const struct conn *conn, unsigned epoch) {
    return epoch != 0 && conn->hold.link != NULL && atomic_load(&conn->hold.held) == epoch;
}

/* Those of one that goes by_steps (conn_state.h), as it begins. */
static struct passages *begin_passages(struct link *link, uint32_t slot,
                                       const struct record *record, const struct holdings *has) {
    struct tls_session *const tls[2] = {has->client_tls, has->server_tls};
    struct passages *passages = &link->table->passages[slot];

    passages_begin(passages, record, (const int[2]){has->client, has->server}, tls);
    passages->has_shown = has->shown != NULL;
    if (has->shown != NULL)
        link->table->shown[slot] = *has->shown;
    return passages;
}

struct conn *conn_new(const struct record *record, const struct conn_options *options,
                      struct registry *registry, struct gate *gate, struct pipe_pool *pipes,
                      struct link *link, struct holdings *has) {
    uint32_t slot = 0;
    bool speaks_tls = has->client_tls != NULL || has->server_tls != NULL;
    bool keeps =
        link != NULL && link_serves(link) && outlives(has->client_tls) && outlives(has->server_tls);
    bool by_steps = speaks_tls || options->exchanges;
    bool kept = keeps && table_take(link->table, !by_steps, &slot) == 0;
    struct conn *conn = make_conn(kept ? &link->table->states[slot] : NULL, registry, gate);

    if (conn == NULL) {
        if (kept)
            table_give(link->table, slot);
        return NULL;
    }
    conn->hold.link = kept ? link : NULL;
    conn->hold.slot = slot;
    if (kept && by_steps)
        conn->passages = begin_passages(link, slot, record, has);
    describe_state(conn->state, record, options, kept && by_steps);
    take_holdings(conn, pipes, has);
    conn_register(conn);
    if (keeps && !kept)
        link_note_crowded(link);
    return conn;
}

struct conn *conn_new_adopted(struct link *link, uint32_t slot, struct registry *registry,
                              struct gate *gate, struct pipe_pool *pipes, struct holdings *has) {
    struct conn *conn = make_conn(&link->table->states[slot], registry, gate);

    if (conn == NULL)
        return NULL;
    conn->hold.link = link;
    conn->hold.slot = slot;
    if (conn->state->by_steps)
        conn->passages = &link->table->passages[slot];
    atomic_init(&conn->hold.told, true);
    atomic_init(&conn->hold.held, atomic_load(&link->epoch));
    take_holdings(conn, pipes, has);
    return conn;
}

struct conn *conn_new_refused(const struct record *record, const struct conn_options *options,
                              struct registry *registry, struct gate *gate,
                              struct error_pages *pages, struct holdings *has) UNCHECKED {
    struct conn *conn = make_conn(NULL, registry, gate);

    if (conn == NULL)
        return NULL;
    describe_state(conn->state, record, options, false);
    conn->fd[SIDE_CLIENT] = fd_take(&has->client);
    conn->tls[SIDE_CLIENT] = has->client_tls;
    has->client_tls = NULL;
    conn->bearer = bearer_new(has->shown);
    conn->pages = error_pages_ref(pages);
    conn->state->flow[DIR_DOWN].ended = conn->state->lingering = conn->state->decided = true;
    conn_register(conn);
    return conn;
}

void conn_ref(struct conn *conn) {
    atomic_fetch_add_explicit(&conn->refs, 1, memory_order_relaxed);
}

/* An orderly end during which bytes had to be dropped has its own name. */
static void refine_end(struct conn *conn) UNCHECKED {
    CHECK(conn->state->record.end != END_NONE);
    if (conn->state->record.end == END_CLIENT_ENDED && conn->state->flow[DIR_DOWN].sink_error != 0)
        conn->state->record.end = END_CLIENT_LEFT;
    else if (conn->state->record.end == END_SERVER_ENDED &&
             conn->state->flow[DIR_UP].sink_error != 0)
        conn->state->record.end = END_SERVER_LEFT;
}

bool conn_try_ref(struct conn *conn) {
    unsigned refs = atomic_load(&conn->refs);

    while (refs > 0)
        if (atomic_compare_exchange_weak(&conn->refs, &refs, refs + 1))
            return true;
    return false;
}

/* It goes on in another process, and nobody is told. No lock: the last reference is gone. */
static bool is_left(const struct conn *conn) UNCHECKED {
    return atomic_load(&conn->parked) && !conn->state->aborted;
}

/* No lock: the last reference is gone. */
static void conclude_conn(struct conn *conn, bool was_refused) UNCHECKED {
    struct record *record = &conn->state->record;

    atomic_store(&conn->state->live, 0); /* no later process adopts it */
    refine_end(conn);
    if (!was_refused) /* else it was counted then */
        end_count(record->end);
    record->ended = clock_now();
    record->answered = atomic_load(&conn->state->flow[DIR_DOWN].first);
    for (int dir = 0; dir < 2; dir++)
        record->bytes[dir] = atomic_load(&conn->state->flow[dir].bytes);
    stats_add(STAT_bytes_up, record->bytes[DIR_UP]);
    stats_add(STAT_bytes_down, record->bytes[DIR_DOWN]);
}

/* What an exchange had in its area stays there, as in any memory that is given back. */
static void erase_passages(struct conn *conn) {
    table_return_area(conn->hold.link->table, conn->hold.slot);
    table_erase_passages(conn->hold.link->table, conn->hold.slot);
    KILL_POINT(ERASED);
}

void conn_unref(struct conn *conn) {
    if (atomic_fetch_sub_explicit(&conn->refs, 1, memory_order_acq_rel) > 1)
        return;
    deregister_conn(conn);

    struct gate *gate = conn->gate;
    bool left = is_left(conn), was_refused = conn->fd[SIDE_SERVER] < 0;
    fd_close(&conn->fd[SIDE_CLIENT]);
    fd_close(&conn->fd[SIDE_SERVER]);
    tls_session_free(conn->tls[SIDE_CLIENT]);
    tls_session_free(conn->tls[SIDE_SERVER]);
    line_leave(conn->line, conn->member);
    seat_leave(&conn->seat);
    if (!left)
        conclude_conn(conn, was_refused);
    if (conn->passages != NULL && !left)
        erase_passages(conn); /* now that nobody looks at them */
    gate_leave(gate);         /* before the record: its reader may count on the room */
    if (!left) {
        record_log(&conn->state->record, conn->bearer, conn->state->options.log);
        if (conn->hold.link != NULL)
            link_release(&conn->hold);
    }
    error_pages_unref(conn->pages);
    if (conn->exchange != NULL)
        conn->free_exchange(conn->exchange);
    free(conn->bearer);
    free(conn);
}

struct holdings conn_take_unneeded(struct conn *conn) {
    const struct conn_state *state = conn->state;
    bool server = state->flow[DIR_DOWN].ended, client = state->flow[DIR_UP].ended;
    bool over = state->aborted || (server && client);
    struct holdings taken = HOLDINGS_NONE;

    if (over || (server && !state->options.half_close)) {
        taken.member = conn->member;
        taken.line = conn->line;
        conn->member = NULL;
        conn->line = NULL;
    }
    if (over) {
        taken.seat = conn->seat;
        conn->seat = (struct seat){0};
    }
    return taken;
}

void conn_say_server(const struct conn *conn, struct conn_server *ret_server) {
    lock_acquire(&conn->registry->lock);
    const struct record *record = &conn->state->record;
    memcpy(ret_server->upstream, record->upstream, sizeof(ret_server->upstream));
    memcpy(ret_server->server, record->server, sizeof(ret_server->server));
    ret_server->address = record->server_addr;
    lock_release(&conn->registry->lock);
}

struct member *conn_member(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    struct member *member = conn->member != NULL ? member_ref(conn->member) : NULL;
    lock_release(&conn->registry->lock);
    return member;
}

bool conn_kept_passage(struct conn *conn, enum direction dir, struct kept_passage *ret_kept) {
    if (conn->passages == NULL)
        return false;
    *ret_kept = (struct kept_passage){
        .passage = &conn->passages->way[dir],
        .stash = conn->hold.link->table->stashes[conn->hold.slot].way[dir],
        .sink = conn_sink(dir),
        .from_side = &conn->passages->side[conn_source(dir)],
        .to_side = &conn->passages->side[conn_sink(dir)],
        .rest = conn->rest[dir],
        .flow = &conn->state->flow[dir],
        .dir = dir,
        .parks = &conn->registry->parks,
    };
    return true;
}

uint64_t conn_passage_read(const struct conn *conn, enum direction dir) {
    const struct record *record = &conn->state->record;

    return passage_now(&conn->passages->way[dir])->read -
           (dir == DIR_UP ? record->header : record->server_header);
}

bool conn_kept_pipe(struct conn *conn, enum direction dir, struct kept_pipe *ret_kept) {
    struct flow *flow = &conn->state->flow[dir];

    if (conn->hold.link == NULL)
        return false;
    *ret_kept = (struct kept_pipe){
        .ends = conn->hold.link->table->slots[conn->hold.slot].pipe[dir],
        .in_hand = conn->in_hand[dir],
        .written = atomic_load(&flow->bytes),
        .parks = &conn->registry->parks,
        .in_memory = &flow->in_memory,
    };
    return true;
}

enum conn_work conn_work(struct conn *conn, enum direction dir) {
    const struct flow *flow = &conn->state->flow[dir];
    enum conn_work work = CONN_CARRY;

    lock_acquire(&conn->registry->lock);
    if (flow->ended)
        work = CONN_NOTHING;
    else if (conn->fd[conn_sink(dir)] < 0 || flow->sink_error != 0)
        work = CONN_DROP;
    lock_release(&conn->registry->lock);
    return work;
}

bool conn_parks(const struct conn *conn) {
    return conn->hold.link != NULL && atomic_load(&conn->registry->parks);
}
