/* GET /metrics: Prometheus' text format, version 0.0.4. Never a client's address. */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include <stdio.h>

/* The lines before the samples of a metric. */
void metrics_begin(FILE *out, const char *name, const char *type, const char *help);

struct metric_label {
    const char *name, *value;
};

/* A sample; labels up to the first without a name, at most METRIC_LABELS. */
#define METRIC_LABELS 3
void metrics_sample(FILE *out, const char *name, const struct metric_label labels[METRIC_LABELS],
                    double value);

/* All counters of the process (base/counters.def), as relayd_NAME_total. */
void metrics_counters(FILE *out);

#endif
