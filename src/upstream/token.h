/* The token by which a client's cookie names a member (balance = cookie). */
#ifndef UPSTREAM_TOKEN_H
#define UPSTREAM_TOKEN_H

#include "config/config.h"
#include "http/cookie.h"
#include "upstream/member.h"

/* 128 bits of an HMAC-SHA-256 over the upstream's name, the server's and the address: the same in
 * each process and on each machine with the same key, and nobody without it can make one. Any
 * thread. */
struct cookie_token token_of(const struct upstream_config *upstream, const struct member *member);

#endif
