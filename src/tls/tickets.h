/* Keys of session tickets (RFC 5077, 4; RFC 8446, 4.6.1): of this machine, in memory that the next
 * relayd finds. Whoever needs one when it is due makes it, so that no timer does. */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define TICKET_NAME_SIZE 16
#define TICKET_KEYS      3           /* kept: the newest encrypts, all decrypt */
#define TICKET_SPAN      (12 * 3600) /* seconds that one encrypts */
#define TICKET_LIFE      (TICKET_KEYS * TICKET_SPAN)

/* Flat, so that it may lie in the table. */
struct ticket_key {
    int64_t made; /* time(2): it goes on over restarts, and over boots of the machine */
    uint8_t name[TICKET_NAME_SIZE];
    uint8_t cipher[32], mac[32];
    uint8_t size; /* of both: 16 or 32; 0: there is none */
    uint8_t unused[3];
    uint32_t sum; /* CRC-32C of what is before: whoever wrote it may have been killed */
};

/* A ring. Zeroed: empty. */
struct ticket_keys {
    struct ticket_key list[TICKET_KEYS];
    uint32_t first; /* encrypts */
    uint32_t unused;
};

/* Goes on with the keys in this memory, as far as they are sound, and keeps them there from now
 * on; if there are any, this process keeps its secrets (secrets_keep). Main's. */
void tickets_begin(struct ticket_keys *memory);

/* Leaves that memory, and what is in it, for good. Main's. */
void tickets_end(void);

/* Erases what is too old to be used. Any thread. */
void tickets_tidy(int64_t now);

/* The key that encrypts at this time(2), made anew where it is due. False: no random numbers. Any
 * thread; the caller erases it. */
bool tickets_get(int64_t now, struct ticket_key *ret) MUST_USE;

/* The key of this name; *ret_first: it encrypts. False: it is unknown, or too old. The same. */
bool tickets_find(int64_t now, const uint8_t name[TICKET_NAME_SIZE], struct ticket_key *ret,
                  bool *ret_first) MUST_USE;

#endif
