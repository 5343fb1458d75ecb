/* What the tests of upstreams share: one that is made of the text of a configuration. */
#ifndef UPSTREAM_FIXTURE_H
#define UPSTREAM_FIXTURE_H

#include "unit.h"

#include <stdio.h>

#include "config_text.h"
#include "upstream/upstreams.h"
#include "upstream/enlist.h"

static struct config *config;
static struct upstreams *upstreams;

/* An upstream of this text between the braces. */
static inline struct upstream *make_upstream(const char *text) {
    char all[2048];

    snprintf(all, sizeof(all), WEB "upstream app { %s }", text);
    config = good(all);
    upstreams = upstreams_new(config, NULL, NULL, NULL);
    assert_non_null(upstreams);
    return &upstreams->list[0];
}

static inline int free_upstream(void **state) UNCHECKED {
    (void)state;
    upstreams_free(upstreams);
    config_unref(config);
    upstreams = NULL;
    config = NULL;
    return 0;
}

#endif
