/* Keys of tickets in a file, as HAProxy has them (tls-ticket-keys): a line of base64 for each, of
 * 80 bytes (a name of 16, AES-256, HMAC-SHA-256) or 48 (AES-128). The last three count; the last
 * but one encrypts, so that a new one is known everywhere before any machine uses it. */
#ifndef TLS_TICKET_FILE_H
#define TLS_TICKET_FILE_H

#include "base/check.h"
#include "tls/problems.h"
#include "tls/tickets.h"

/* False: told, without what stands in the file. Waits for the medium alone; the caller erases the
 * keys. Any thread. */
bool ticket_file_read(const char *path, struct ticket_keys *ret,
                      struct tls_problems *problems) MUST_USE;

#endif
