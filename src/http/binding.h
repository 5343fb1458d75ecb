/* Whether a connection is logged in, not each request by itself. Pure; any thread. */
#ifndef HTTP_BINDING_H
#define HTTP_BINDING_H

#include "wire/http1.h"

/* Whether a request or an answer takes part in a login that holds for its whole connection: NTLM
 * and Negotiate (RFC 4559, 6: the connection is authenticated), or an answer says that some proxy
 * takes care of such ones (Proxy-Support). */
bool http_binds(const char *bytes, const struct http1_head *head);

#endif
