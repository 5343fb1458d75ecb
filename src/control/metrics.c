#include "control/metrics.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/stats.h"

/* As the format has it: a backslash, a new line and, in a label, a quotation mark. */
static void print_escaped(FILE *out, const char *text, bool label) {
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || (label && *text == '"'))
            fprintf(out, "\\%c", *text);
        else
            putc(*text, out);
    }
}

void metrics_begin(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s ", name);
    print_escaped(out, help, false);
    fprintf(out, "\n# TYPE %s %s\n", name, type);
}

void metrics_sample(FILE *out, const char *name, const struct metric_label labels[METRIC_LABELS],
                    double value) {
    fputs(name, out);
    for (size_t i = 0; i < METRIC_LABELS && labels[i].name != NULL; i++) {
        fprintf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        print_escaped(out, labels[i].value, true);
        putc('"', out);
    }
    fprintf(out, "%s %.17g\n", labels[0].name != NULL ? "}" : "", value);
}

static const struct {
    const char *name, *help;
} counters[STAT_COUNT] = {
#define COUNTER(name, unit, help) {"relayd_" #name "_total", help " (" unit ")."},
#include "base/counters.def"
#undef COUNTER
};

void metrics_counters(FILE *out) {
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        metrics_begin(out, counters[i].name, "counter", counters[i].help);
        fprintf(out, "%s %llu\n", counters[i].name, (unsigned long long)stats_get((enum counter)i));
    }
}
