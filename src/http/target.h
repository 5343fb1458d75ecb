/* The target of a request, as it goes on: in origin-form, without the path of its route if that
 * says so. Pure; any thread. */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "config/config.h"
#include "http/out.h"
#include "wire/http1.h"

/* Whether the target is sent on as it came. */
bool http_target_stays(const struct http1_head *head, const struct route_config *options);

/* Adds it. It begins with "/", or is "*". */
void http_target_write(const char *bytes, const struct http1_head *head,
                       const struct route_config *options, struct http_out *out);

#endif
