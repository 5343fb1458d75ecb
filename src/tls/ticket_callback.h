/* What libssl asks about tickets. Any thread. */
#ifndef TLS_TICKET_CALLBACK_H
#define TLS_TICKET_CALLBACK_H

#include <openssl/types.h>
#include <stdint.h>

#include "tls/tickets.h"

/* Has ctx take keys from here (NULL: this machine's), for as long as ctx is there. */
void ticket_keys_use(SSL_CTX *ctx, const struct ticket_keys *keys);

/* ended_certificate: a session that is resumed is not verified again, and its ticket has the
 * client's certificate alone. So a ticket also has the end of whichever certificate of the verified
 * chain ends first, and is worth nothing from then on, nor once the lists of revoked ones have
 * expired, at *lists_end (seconds since 1970; there for as long as ctx is). */
void ticket_ends_use(SSL_CTX *ctx, const int64_t *lists_end);

#endif
