/* What the parts of gauges share. */
#ifndef CONTROL_GAUGES_INSIDE_H
#define CONTROL_GAUGES_INSIDE_H

#include "control/metrics.h"
#include "road/generation.h"

enum gauge {
#define METRIC(name, type, labels, help) GAUGE_##name,
#include "control/gauges.def"
#undef METRIC
    GAUGE_COUNT
};

extern const struct metric gauge_rows[GAUGE_COUNT];

#define LABELS(...) ((const struct metric_label[METRIC_LABELS]){__VA_ARGS__})
#define NO_LABELS   LABELS({0})

/* Of requests (gauges_requests.c): by listener and route, by upstream, by server (false: no
 * memory). */
void gauges_write_requests(const struct metrics *metrics, const struct generation *generation);
void gauges_write_answers(const struct metrics *metrics, const struct generation *generation);
bool gauges_write_answered(const struct metrics *metrics, const struct generation *generation);

#endif
