#include "upstream/member.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"

#define SMOOTH 8 /* a new dial time counts for an eighth, as in RFC 6298 */

static _Atomic uint64_t changes[MEMBER_CELLS];

unsigned member_cell(const struct member *member) {
    return (unsigned)(member->id % MEMBER_CELLS);
}

uint64_t member_changes(unsigned cell) {
    return atomic_load_explicit(&changes[cell], memory_order_acquire);
}

static void note_change(const struct member *member) {
    atomic_fetch_add_explicit(&changes[member_cell(member)], 1, memory_order_release);
}

struct member *member_new(const char *upstream, const char *server, const struct addr *addr) {
    struct member *member = aligned_alloc(alignof(struct member), sizeof(*member));
    char text[ADDR_TEXT_MAX], whole[MEMBER_TEXT_MAX];

    if (member == NULL)
        return NULL;
    memset(member, 0, sizeof(*member));
    atomic_init(&member->refs, 1);
    snprintf(member->upstream, sizeof(member->upstream), "%s", upstream);
    snprintf(member->server, sizeof(member->server), "%s", server);
    member->addr = *addr;
    atomic_init(&member->since, clock_coarse());
    /* Without the upstream's name: renaming that moves no client. */
    snprintf(whole, sizeof(whole), "%s %s", server, addr_format(addr, text, sizeof(text)));
    member->id = hash_bytes(whole, strlen(whole));
    return member;
}

struct member *member_ref(struct member *member) {
    atomic_fetch_add_explicit(&member->refs, 1, memory_order_relaxed);
    return member;
}

void member_unref(struct member *member) {
    if (member != NULL && atomic_fetch_sub_explicit(&member->refs, 1, memory_order_acq_rel) == 1)
        free(member);
}

const char *member_format(const struct member *member, char *buf, size_t size) {
    char text[ADDR_TEXT_MAX];

    snprintf(buf, size, "%s/%s (%s)", member->upstream, member->server,
             addr_format(&member->addr, text, sizeof(text)));
    return buf;
}

const char *member_standing_state(enum member_standing standing) {
    switch (standing) {
    case MEMBER_DOWN:
    case MEMBER_CUT_OFF:
        return "down";
    case MEMBER_OUT:
    case MEMBER_DUE:
        return "left_alone";
    case MEMBER_PROVEN:
    case MEMBER_FRESH:
    case MEMBER_FAILING:
    default:
        return "up";
    }
}

const char *member_state(const struct member *member) {
    return member_standing_state(member_standing(member, clock_coarse()));
}

const struct log_field *member_fields(struct member_fields *fields, const struct member *member,
                                      const char *state) {
    const struct log_field list[] = {
        {"RELAYD_UPSTREAM", member->upstream},
        {"RELAYD_SERVER", member->server},
        {"RELAYD_SERVER_ADDRESS",
         addr_format(&member->addr, fields->address, sizeof(fields->address))},
        {"RELAYD_STATE", state},
        {NULL, NULL}};

    memcpy(fields->list, list, sizeof(list));
    return fields->list;
}

/* Of all members: it is held for a copy, when one is taken out, or an operator asks. */
static struct lock troubles = LOCK_INITIAL(RANK_LEAF);

bool member_note_trouble(struct member *member, const char *why) {
    char trouble[MEMBER_TROUBLE_MAX];

    snprintf(trouble, sizeof(trouble), "%s", why);
    text_trim(trouble);
    lock_acquire(&troubles);
    bool is_new = strcmp(member->trouble, trouble) != 0;
    memcpy(member->trouble, trouble, sizeof(trouble));
    lock_release(&troubles);
    return is_new;
}

const char *member_trouble(const struct member *member, char *buf, size_t size) {
    lock_acquire(&troubles);
    snprintf(buf, size, "%s", member->trouble);
    lock_release(&troubles);
    return buf;
}

const char *member_dial_error(const struct member *member) {
    int error = atomic_load(&member->dial_error);
    const char *words = strerrordesc_np(error);

    if (error == ETIMEDOUT)
        return "No answer within connect_timeout";
    if (error == ELOOP)
        return "It is this relayd itself"; /* dial.c */
    if (error == EPROTO)
        return "The TLS handshake failed (the log says of what)"; /* shake.h */
    return words != NULL ? words : "Unknown error";
}

bool member_is_failing(const struct member *member) {
    return atomic_load_explicit(&member->failed, memory_order_relaxed) > 0;
}

bool member_is_proven(const struct member *member) {
    return !member_is_failing(member) &&
           atomic_load_explicit(&member->usual_dial, memory_order_relaxed) != 0;
}

enum member_standing member_standing(const struct member *member, usec_t now) {
    usec_t until = atomic_load_explicit(&member->out_until, memory_order_relaxed);

    if (atomic_load_explicit(&member->down, memory_order_relaxed))
        return MEMBER_DOWN;
    if (atomic_load_explicit(&member->cut_off, memory_order_relaxed) != 0)
        return MEMBER_CUT_OFF;
    if (until != 0)
        return now >= until && !atomic_load(&member->probed) ? MEMBER_DUE : MEMBER_OUT;
    if (member_is_failing(member))
        return MEMBER_FAILING;
    return member_is_proven(member) ? MEMBER_PROVEN : MEMBER_FRESH;
}

bool member_is_used(const struct member *member, usec_t now) {
    return member_standing(member, now) < MEMBER_DUE;
}

/* Notes since when it is what member_state says. Threads that change it at once may leave the
 * moment of either. */
static void note_state(struct member *member, usec_t now) {
    static const unsigned char words[] = {
        [MEMBER_DUE] = 1, [MEMBER_OUT] = 1, [MEMBER_CUT_OFF] = 2, [MEMBER_DOWN] = 2};
    unsigned char stands = words[member_standing(member, now)];

    if (atomic_load(&member->drained))
        stands = 3;
    if (atomic_exchange(&member->stood, stands) != stands)
        atomic_store(&member->since, now);
}

bool member_claim_probe(struct member *member) {
    bool free = false, claimed = atomic_compare_exchange_strong(&member->probed, &free, true);

    note_change(member);
    return claimed;
}

bool member_dialled(struct member *member, usec_t took, usec_t now) {
    usec_t usual = atomic_load_explicit(&member->usual_dial, memory_order_relaxed);

    bool first = usual == 0,
         better = atomic_load_explicit(&member->failed, memory_order_relaxed) != 0;
    usual = first ? took : usual + (took - usual) / SMOOTH;
    atomic_store_explicit(&member->usual_dial, usual > 0 ? usual : 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&member->n_dialled, 1, memory_order_relaxed);
    meter_add(&member->dialled, MEMBER_RATE_PERIOD, now);
    recent_times_add(&member->dials, took, now);
    if (better)
        atomic_store(&member->failed, 0);
    bool back = atomic_load_explicit(&member->out_until, memory_order_relaxed) != 0 &&
                atomic_exchange(&member->out_until, 0) != 0;
    if (back) {
        atomic_store(&member->back_since, now);
        note_state(member, now);
    }
    bool probed = atomic_load_explicit(&member->probed, memory_order_relaxed);
    if (probed)
        atomic_store(&member->probed, false);
    if (first || better || back || probed)
        note_change(member);
    return back;
}

static bool count_failure(struct member *member, int64_t max_fails, usec_t fail_timeout,
                          usec_t now) {
    unsigned failed = atomic_fetch_add(&member->failed, 1) + 1;
    bool out = atomic_load(&member->out_until) != 0; /* it was probed, or is a last resort */
    usec_t until = 0;

    if (max_fails == 0 || (!out && failed < (uint64_t)max_fails)) {
        if (max_fails == 0)
            atomic_store(&member->out_until, 0); /* set by an earlier configuration */
        atomic_store(&member->probed, false);
        return false;
    }
    bool first = atomic_compare_exchange_strong(&member->out_until, &until, now + fail_timeout);
    if (!first)
        atomic_store(&member->out_until, now + fail_timeout);
    atomic_store(&member->probed, false);
    return first;
}

bool member_failed(struct member *member, int64_t max_fails, usec_t fail_timeout, usec_t now) {
    bool out = count_failure(member, max_fails, fail_timeout, now);

    atomic_fetch_add_explicit(&member->n_refused, 1, memory_order_relaxed);
    meter_add(&member->refused, MEMBER_FAILED_PERIOD, now);
    note_state(member, now);
    note_change(member);
    return out;
}

void member_not_asked(struct member *member) {
    atomic_store(&member->probed, false);
    note_change(member);
}

int member_set_cut_off(struct member *member, int error) {
    int was = atomic_exchange(&member->cut_off, error);

    if (was != error) {
        note_state(member, clock_coarse());
        note_change(member);
    }
    return was;
}

void member_set_down(struct member *member, bool down, usec_t now) {
    bool was = atomic_exchange(&member->down, down);

    if (was && !down) {
        /* What dials found is out of date. */
        atomic_store(&member->failed, 0);
        atomic_store(&member->out_until, 0);
        atomic_store(&member->probed, false);
        atomic_store(&member->back_since, now);
    }
    if (was != down) {
        note_state(member, now);
        note_change(member);
    }
}

void member_set_drained(struct member *member, bool drained, usec_t now) {
    if (atomic_exchange(&member->drained, drained) != drained)
        note_state(member, now);
}

struct check_news member_checked(struct member *member, const struct health_check_config *config,
                                 bool good, usec_t now) {
    struct check_news news = check_history_judge(&member->history, config, good, now);

    atomic_store(&member->checked_at, now);
    if (news.changed)
        member_set_down(member, member->history.down, now);
    return news;
}

void member_unchecked(struct member *member, bool used, usec_t now) {
    check_history_pause(&member->history, used, now);
    member_set_down(member, false, now);
}

void member_enter(struct member *member) {
    (void)member_ref(member);
    atomic_fetch_add_explicit(&member->live, 1, memory_order_relaxed);
    note_change(member);
}

void member_leave(struct member *member) {
    if (member == NULL)
        return;
    atomic_fetch_sub_explicit(&member->live, 1, memory_order_relaxed);
    note_change(member);
    member_unref(member);
}
