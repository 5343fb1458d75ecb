#include "control/metrics.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/text.h"

#define OPEN_TYPE    "application/openmetrics-text"
#define OPEN_VERSION "1.0.0"
#define RANGE_MAX    128

/* A parameter of a media range, as "q" in text/plain;q=0.5. NULL: it has none. */
static const char *find_parameter(const char *range, const char *name) {
    size_t n = strlen(name);

    for (const char *at = strchr(range, ';'); at != NULL; at = strchr(at, ';')) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, name, n) == 0 && at[n] == '=')
            return at + n + 1;
    }
    return NULL;
}

/* How much a media range is liked; < 0: it is not this type. */
static double like_range(const char *range, const char *type, const char *version) {
    const char *quality = find_parameter(range, "q"), *wanted = find_parameter(range, "version");
    size_t n = strcspn(range, "; \t");

    if (n != strlen(type) || strncasecmp(range, type, n) != 0 ||
        (wanted != NULL && strncmp(wanted, version, strlen(version)) != 0))
        return -1;
    return quality != NULL ? strtod(quality, NULL) : 1;
}

bool metrics_wants_open(const char *accept) {
    double open = 0, text = 0;

    while (accept != NULL && *accept != '\0') {
        char range[RANGE_MAX];
        size_t n = strcspn(accept, ",");

        snprintf(range, sizeof(range), "%.*s", n < RANGE_MAX ? (int)n : RANGE_MAX - 1, accept);
        double like = like_range(range, OPEN_TYPE, OPEN_VERSION),
               plain = like_range(range, "text/plain", "0.0.4");
        open = like > open ? like : open;
        text = plain > text ? plain : text;
        accept += n;
        accept += strspn(accept, ", \t");
    }
    return open > 0 && open >= text;
}

const char *metrics_type(bool open) {
    return open ? OPEN_TYPE "; version=" OPEN_VERSION "; charset=utf-8"
                : "text/plain; version=0.0.4; charset=utf-8";
}

static void print_escaped(FILE *out, const char *text, bool quotes) {
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || (quotes && *text == '"'))
            fprintf(out, "\\%c", *text);
        else
            putc(*text, out);
    }
}

static bool is_counter(const struct metric *metric) {
    return strcmp(metric->type, "counter") == 0;
}

static bool has_end(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* In text a counter is its sample; in OpenMetrics the sample is one of the counter's. */
void metrics_begin(const struct metrics *metrics, const struct metric *metric) {
    const char *total = is_counter(metric) && !metrics->open ? "_total" : "";
    FILE *out = metrics->out;

    fprintf(out, "# HELP %s%s ", metric->name, total);
    print_escaped(out, metric->help, metrics->open);
    fprintf(out, "\n# TYPE %s%s %s\n", metric->name, total, metric->type);
    if (metrics->open && has_end(metric->name, "_seconds"))
        fprintf(out, "# UNIT %s seconds\n", metric->name);
}

static void print_labels(FILE *out, const struct metric_label labels[METRIC_LABELS],
                         const char *bound) {
    const char *before = "{";

    for (size_t i = 0; i < METRIC_LABELS && labels[i].name != NULL; i++) {
        fprintf(out, "%s%s=\"", before, labels[i].name);
        print_escaped(out, labels[i].value, true);
        putc('"', out);
        before = ",";
    }
    if (bound != NULL) {
        fprintf(out, "%sle=\"%s\"", before, bound);
        before = ",";
    }
    if (before[0] == ',')
        putc('}', out);
}

void metrics_sample(const struct metrics *metrics, const struct metric *metric,
                    const struct metric_label labels[METRIC_LABELS], double value) {
    fprintf(metrics->out, "%s%s", metric->name, is_counter(metric) ? "_total" : "");
    print_labels(metrics->out, labels, NULL);
    fprintf(metrics->out, " %.17g\n", value);
}

/* "0.5"; of whole seconds "2", in OpenMetrics "2.0". */
static const char *format_bound(const struct metrics *metrics, usec_t bound, char buf[32]) {
    snprintf(buf, 32, "%g", (double)bound / (double)USEC_PER_SEC);
    if (metrics->open && strpbrk(buf, ".e") == NULL)
        text_append(buf, 32, ".0");
    return buf;
}

void metrics_histogram(const struct metrics *metrics, const struct metric *metric,
                       const struct metric_label labels[METRIC_LABELS],
                       const struct histogram *histogram) {
    FILE *out = metrics->out;
    uint64_t n = 0;
    char buf[32];

    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        const char *bound = i < HISTOGRAM_BUCKETS
                                ? format_bound(metrics, histogram_bound(histogram->scale, i), buf)
                                : "+Inf";

        n += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        fprintf(out, "%s_bucket", metric->name);
        print_labels(out, labels, bound);
        fprintf(out, " %llu\n", (unsigned long long)n);
    }
    fprintf(out, "%s_sum", metric->name);
    print_labels(out, labels, NULL);
    fprintf(out, " %.17g\n%s_count",
            (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed) /
                (double)USEC_PER_SEC,
            metric->name);
    print_labels(out, labels, NULL);
    fprintf(out, " %llu\n", (unsigned long long)n);
}

static const struct metric counters[STAT_COUNT] = {
#define COUNTER(name, unit, help) {"relayd_" #name, "counter", help " (" unit ")."},
#include "base/counters.def"
#undef COUNTER
};

void metrics_counters(const struct metrics *metrics, const uint64_t moved[2]) {
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        uint64_t value = stats_get((enum counter)i);

        if (i == STAT_bytes_up || i == STAT_bytes_down)
            value = moved[i == STAT_bytes_down];
        metrics_begin(metrics, &counters[i]);
        fprintf(metrics->out, "%s_total %llu\n", counters[i].name, (unsigned long long)value);
    }
}

void metrics_end(const struct metrics *metrics) {
    if (metrics->open)
        fputs("# EOF\n", metrics->out);
}
