/* A route section of a listener. */
#ifndef CONFIG_ROUTE_CONFIG_H
#define CONFIG_ROUTE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/header_edits.h"
#include "config/redirect.h"

struct error_pages; /* config/error_pages.h */

#define NO_UPSTREAM SIZE_MAX

#define ROUTE_PATTERN_SIZE 512 /* a host and a path of at most 255 bytes each, with NUL */
#define ROUTE_PATH_MOST    255

/* Values of the CHOICE option, in its row's order. */
enum redirect_code { REDIRECT_301, REDIRECT_302, REDIRECT_307, REDIRECT_308 };

enum route_kind {
    ROUTE_SNI,  /* "sni:NAME", or "sni:*.NAME": one label more */
    ROUTE_ALPN, /* "alpn:PROTOCOL" */
    /* "HOST", "HOST/PATH/" or "/PATH/"; HOST may be "*.NAME": one label more, or several */
    ROUTE_HTTP,
};

/* With the listener's options where the section has none of its own. */
struct route_config {
    char
        pattern[ROUTE_PATTERN_SIZE]; /* its title; a name in lower case, without a dot at its end */
    int line;
    enum route_kind kind;
    size_t upstream; /* index in config.upstreams; or NO_UPSTREAM, with a redirect */
    /* The rest is of mode http. The pattern's first n_host bytes are the host (0: any), the rest is
     * the path: nothing, or with "/" at both ends, normal as route_normal_path has it. */
    uint16_t n_host;
    char *redirect; /* "": none; and what it means: */
    struct redirect target;
    int redirect_code; /* enum redirect_code */
    bool strip_prefix;
    int64_t max_body;                                          /* bytes; 0: no limit */
    usec_t response_timeout;                                   /* 0: no limit */
    usec_t hsts;                                               /* whole seconds; 0: off */
    struct text_list set_request, add_request, remove_request; /* and what these three mean: */
    struct header_edits request;
    struct text_list set_response, add_response, remove_response; /* the same */
    struct header_edits response;
    char *error_pages; /* a folder, or ""; and what it holds: */
    struct error_pages *pages;
    bool each_request;  /* its upstream wants each request balanced (validate_balance.c), */
    const char *cookie; /* and has such cookies (of the upstream's); NULL: it has not */
};

#endif
