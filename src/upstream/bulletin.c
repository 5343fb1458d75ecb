#include "upstream/bulletin.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"

#define SAY_AGAIN (10 * USEC_PER_SEC)

struct bulletin *bulletin_new(void) {
    struct bulletin *bulletin = calloc(1, sizeof(*bulletin));

    if (bulletin == NULL)
        return NULL;
    atomic_init(&bulletin->refs, 1);
    lock_init(&bulletin->lock, RANK_LEAF);
    return bulletin;
}

struct bulletin *bulletin_ref(struct bulletin *bulletin) {
    atomic_fetch_add_explicit(&bulletin->refs, 1, memory_order_relaxed);
    return bulletin;
}

void bulletin_unref(struct bulletin *bulletin) {
    if (bulletin == NULL || atomic_fetch_sub_explicit(&bulletin->refs, 1, memory_order_acq_rel) > 1)
        return;
    lock_destroy(&bulletin->lock);
    free(bulletin);
}

void bulletin_say_unreachable(struct bulletin *bulletin, const char *upstream) {
    usec_t now = clock_coarse(), said = atomic_load(&bulletin->said_at);

    if (atomic_load(&bulletin->unreachable) || (said != 0 && now - said < SAY_AGAIN) ||
        !atomic_compare_exchange_strong(&bulletin->said_at, &said, now))
        return;
    atomic_store(&bulletin->unreachable, true);
    const struct log_field fields[] = {
        {"RELAYD_UPSTREAM", upstream}, {"RELAYD_STATE", "down"}, {NULL, NULL}};
    log_msg_with(MSG_UPSTREAM_DOWN, fields,
                 "No server of upstream %s can be reached: its clients are refused until one can.",
                 upstream);
}

void bulletin_say_reachable(struct bulletin *bulletin, const char *upstream) {
    const struct log_field fields[] = {
        {"RELAYD_UPSTREAM", upstream}, {"RELAYD_STATE", "up"}, {NULL, NULL}};

    if (atomic_load_explicit(&bulletin->unreachable, memory_order_relaxed) &&
        atomic_exchange(&bulletin->unreachable, false))
        log_msg_with(MSG_UPSTREAM_UP, fields, "Upstream %s can be reached again.", upstream);
}

void bulletin_note_trouble(struct bulletin *bulletin, const struct member *member,
                           const char *why) {
    char text[MEMBER_TEXT_MAX];

    member_format(member, text, sizeof(text));
    lock_acquire(&bulletin->lock);
    snprintf(bulletin->trouble, sizeof(bulletin->trouble), "%s: %.120s", text, why);
    text_trim(bulletin->trouble);
    lock_release(&bulletin->lock);
}

const char *bulletin_trouble(struct bulletin *bulletin, char *buf, size_t size) {
    lock_acquire(&bulletin->lock);
    snprintf(buf, size, "%s", bulletin->trouble);
    lock_release(&bulletin->lock);
    return buf;
}
