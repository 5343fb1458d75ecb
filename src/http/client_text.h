/* Who asks, as servers read it: in X-Forwarded-For and the like. Pure; any thread. */
#ifndef HTTP_CLIENT_TEXT_H
#define HTTP_CLIENT_TEXT_H

#include "base/addr.h"
#include "config/config.h"
#include "http/out.h"
#include "wire/http1.h"

#define CLIENT_TEXT_SIZE 64

/* Writes an IP address without port and scope, IPv4 in IPv6 as IPv4. Returns its length; 0: it is
 * no IP address. */
size_t client_text(const struct addr *addr, char ret[CLIENT_TEXT_SIZE]);

/* Who the proxies in front say it is: in X-Forwarded-For, which is a list, the last one that is in
 * none of trusted_proxies, since what is before that may be invented. Empty: nobody. */
struct http1_span client_told(const char *bytes, const struct http1_head *head,
                              const struct prefix_set *trusted);

#endif
