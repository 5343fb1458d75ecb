#include "relay/adopt_steps.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/secrets.h"
#include "conn/exchange.h"
#include "conn/exchange_area.h"
#include "conn/passage.h"
#include "handover/sound.h"
#include "tls/session.h"

/* Whether what the marks say of its area has room there, and there is one if it is needed: another
 * one has somebody else's bytes. Of sound marks. */
static bool fits_area(const struct passages *passages) {
    const struct passage_exchange *up = &passage_now(&passages->way[DIR_UP])->exchange,
                                  *down = &passage_now(&passages->way[DIR_DOWN])->exchange;
    bool needed = up->count > down->count && up->phase != PASSAGE_BYTES &&
                  down->phase != PASSAGE_BYTES && down->end == END_NONE; /* the request's head */

    for (int dir = 0; dir < 2; dir++) {
        const struct passage *passage = &passages->way[dir];
        const struct passage_mark *now = passage_now(passage);
        bool sends = now->step == PASSAGE_MESSAGE && atomic_load(&passage->undone);

        if (now->exchange.stored > PUMP_BUFFER_SIZE + STREAM_SLACK ||
            (sends && now->size > EXCHANGE_OUT_SIZE))
            return false;
        needed |= now->exchange.stored > 0 || (sends && now->size > 0);
    }
    return passages->area > 0 || !needed;
}

bool adopt_is_sound(const struct table *table, uint32_t slot) {
    return passages_are_sound(&table->passages[slot]) && fits_area(&table->passages[slot]) &&
           table_area_is_sound(table, slot) &&
           (!table->passages[slot].has_shown || shown_is_sound(&table->shown[slot]));
}

/* Whether the last step of a direction is done, or nobody cares any more. */
static bool is_whole(const struct passage *passage, const struct conn_state *state,
                     int dir) UNCHECKED {
    const struct flow *flow = &state->flow[dir];

    return !atomic_load(&passage->undone) || flow->ended || flow->sink_error != 0 || state->aborted;
}

static bool copy_shown(const struct table *table, uint32_t slot, struct holdings *has) {
    if (!table->passages[slot].has_shown)
        return true;
    has->shown = malloc(sizeof(*has->shown));
    if (has->shown == NULL)
        return false;
    *has->shown = table->shown[slot];
    return true;
}

/* Between exchanges a leg is given up. */
static int server_session(const struct passages *passages, const struct conn_state *state, int fd,
                          const struct passage_rest rest[2], struct tls_session **ret) {
    if (!state->options.exchanges)
        return passages_session(passages, SIDE_SERVER, rest, ret);
    return adopt_has_leg(passages, fd) ? passages_leg_session(passages, rest, ret) : 0;
}

/* Something was sent over the leg, or began to be. Else it has come for a request that is to be
 * sent again (stale_leg in conn/exchange.h), and no answer would come over it. */
static bool leg_was_used(const struct passages *passages) {
    const struct passage_mark *up = passage_now(&passages->way[DIR_UP]),
                              *down = passage_now(&passages->way[DIR_DOWN]);
    uint64_t leg = passages->leg.cookie;

    return up->exchange.leg == leg ||
           (down->exchange.leg == leg && down->sent[SIDE_SERVER] > passages->leg.sent);
}

bool adopt_has_leg(const struct passages *passages, int fd) {
    return exchange_was_under_way(passages) && leg_was_used(passages) &&
           passage_leg_is(passages, fd);
}

/* As many bytes are in the pipe as there should be: of PASSAGE_SPLICE what is left; else none,
 * since it would be somebody else's. */
static bool is_in_pipe(const struct passage *passage, const struct passage_rest *rest, int pipe) {
    int n = 0;

    if (rest->spliced)
        return rest->dead || (ioctl(pipe, FIONREAD, &n) == 0 && (uint64_t)n == rest->left);
    return pipe < 0 || passage_now(passage)->step == PASSAGE_SPLICE || /* whole: it is not used */
           (ioctl(pipe, FIONREAD, &n) == 0 && n == 0);
}

const char *adopt_steps(struct table *table, uint32_t slot, struct holdings *has, const int pipe[2],
                        struct passage_rest ret_rest[2]) {
    const struct passages *passages = &table->passages[slot];
    const struct conn_state *state = &table->states[slot];
    const int fd[2] = {has->client, has->server};
    bool known = true;

    for (int dir = 0; dir < 2 && known; dir++)
        known = passage_ask(&passages->way[dir], dir, is_whole(&passages->way[dir], state, dir), fd,
                            &ret_rest[dir]) &&
                is_in_pipe(&passages->way[dir], &ret_rest[dir], pipe[dir]);

    if (!known)
        return "how far it had come cannot be told";
    secrets_keep();
    if (passages_session(passages, SIDE_CLIENT, ret_rest, &has->client_tls) == 0 &&
        server_session(passages, state, has->server, ret_rest, &has->server_tls) == 0 &&
        copy_shown(table, slot, has))
        return NULL;
    tls_session_free(has->client_tls);
    tls_session_free(has->server_tls);
    has->client_tls = has->server_tls = NULL;
    return "there is no memory for its keys";
}
