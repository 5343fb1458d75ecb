/* How metrics are written: Prometheus' text format, version 0.0.4, or OpenMetrics 1.0. Never a
 * client's address. */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/histogram.h"
#include "base/stats.h"

struct metrics {
    FILE *out;
    bool open; /* OpenMetrics */
};

/* What a client's Accept (or NULL) asks for: OpenMetrics, where it likes that as much as text. */
bool metrics_wants_open(const char *accept);

/* The Content-Type. */
const char *metrics_type(bool open);

struct metric {
    const char *name; /* a counter's without _total */
    const char *type; /* "counter", "gauge" or "histogram" */
    const char *help;
};

/* The lines before the samples of a metric. */
void metrics_begin(const struct metrics *metrics, const struct metric *metric);

struct metric_label {
    const char *name, *value;
};

/* A sample of a gauge or a counter; labels up to the first without a name, at most
 * METRIC_LABELS. */
#define METRIC_LABELS 4
void metrics_sample(const struct metrics *metrics, const struct metric *metric,
                    const struct metric_label labels[METRIC_LABELS], double value);

/* All samples of one histogram; at most METRIC_LABELS - 1 labels. */
void metrics_histogram(const struct metrics *metrics, const struct metric *metric,
                       const struct metric_label labels[METRIC_LABELS],
                       const struct histogram *histogram);

/* All counters of the process (base/counters.def); moved: bytes of bytes_up and bytes_down. */
void metrics_counters(const struct metrics *metrics, const uint64_t moved[2]);

/* The end of the page. */
void metrics_end(const struct metrics *metrics);

#endif
