/* killed_writer: relayd may be killed in the midst of a change. A new key goes to the place of the
 * oldest, where nobody looks for the one that encrypts, and has a sum; then one word makes it the
 * first. */
#include "tls/tickets.h"

#include <openssl/rand.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"
#include "base/secrets.h"
#include "base/sync.h"

#define SLACK 3600 /* seconds that the clock may be set back without a loss of keys */

static struct lock lock = LOCK_INITIAL(RANK_LEAF);
static struct ticket_keys own GUARDED;
static struct ticket_keys *keys GUARDED = &own;

static uint32_t sum_of_key(const struct ticket_key *key) {
    return crc32c(0, key, offsetof(struct ticket_key, sum));
}

static bool is_key_sound(const struct ticket_key *key, int64_t now) {
    return key->size == sizeof(key->cipher) && key->sum == sum_of_key(key) &&
           key->made > now - TICKET_LIFE && key->made <= now + SLACK;
}

static void erase_unsound(struct ticket_keys *all, int64_t now) {
    for (int i = 0; i < TICKET_KEYS; i++)
        if (!is_key_sound(&all->list[i], now))
            explicit_bzero(&all->list[i], sizeof(all->list[i]));
    if (all->first >= TICKET_KEYS)
        all->first = 0;
}

static bool is_empty_of_keys(const struct ticket_keys *all) {
    for (int i = 0; i < TICKET_KEYS; i++)
        if (all->list[i].size != 0)
            return false;
    return true;
}

void tickets_begin(struct ticket_keys *memory) {
    lock_acquire(&lock);
    erase_unsound(memory, (int64_t)time(NULL));
    if (is_empty_of_keys(memory))
        *memory = *keys;
    else /* perhaps there is no tls section any more, which would have done so */
        secrets_keep();
    explicit_bzero(&own, sizeof(own));
    keys = memory;
    lock_release(&lock);
}

void tickets_end(void) {
    lock_acquire(&lock);
    keys = &own;
    lock_release(&lock);
}

void tickets_tidy(int64_t now) {
    lock_acquire(&lock);
    erase_unsound(keys, now);
    lock_release(&lock);
}

static bool is_key_due(int64_t now) REQUIRES(lock) {
    const struct ticket_key *first = &keys->list[keys->first];

    return !is_key_sound(first, now) || first->made <= now - TICKET_SPAN;
}

static bool make_ticket_key(struct ticket_key *key, int64_t now) {
    *key = (struct ticket_key){.made = now, .size = sizeof(key->cipher)};
    if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
        RAND_priv_bytes(key->cipher, sizeof(key->cipher)) != 1 ||
        RAND_priv_bytes(key->mac, sizeof(key->mac)) != 1)
        return false;
    key->sum = sum_of_key(key);
    return true;
}

/* killed_writer */
static void put_first(const struct ticket_key *fresh) REQUIRES(lock) {
    uint32_t next = (keys->first + 1) % TICKET_KEYS;

    keys->list[next] = *fresh;
    atomic_signal_fence(memory_order_seq_cst);
    keys->first = next;
}

bool tickets_get(int64_t now, struct ticket_key *ret) {
    struct ticket_key fresh;

    lock_acquire(&lock);
    bool due = is_key_due(now);
    if (!due)
        *ret = keys->list[keys->first];
    lock_release(&lock);
    if (!due)
        return true;
    bool made = make_ticket_key(&fresh, now);
    lock_acquire(&lock);
    if (made && is_key_due(now)) /* nobody else has */
        put_first(&fresh);
    if (made)
        *ret = keys->list[keys->first];
    lock_release(&lock);
    explicit_bzero(&fresh, sizeof(fresh));
    return made;
}

bool tickets_find(int64_t now, const uint8_t name[TICKET_NAME_SIZE], struct ticket_key *ret,
                  bool *ret_first) {
    bool found = false;

    lock_acquire(&lock);
    for (uint32_t i = 0; i < TICKET_KEYS && !found; i++) {
        const struct ticket_key *key = &keys->list[i];

        found = is_key_sound(key, now) && memcmp(key->name, name, TICKET_NAME_SIZE) == 0;
        if (found) {
            *ret = *key;
            *ret_first = i == keys->first && !is_key_due(now);
        }
    }
    lock_release(&lock);
    return found;
}
