#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/grow.h"

static bool grow_problems(struct problems *problems) {
    struct problem *list = grow_list(problems->list, problems->n, &problems->room, sizeof *list);

    if (list)
        problems->list = list;
    return list;
}

void problems_add(struct problems *problems, int line, const char *fmt, ...) {
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (!text || !grow_problems(problems)) {
        free(text);
        problems->out_of_memory = true;
        return;
    }
    problems->list[problems->n] = (struct problem){line, problems->n, text};
    problems->n++;
}

bool problems_any(const struct problems *problems) {
    return problems->n > 0 || problems->out_of_memory;
}

void problems_drop_after(struct problems *problems, int line) {
    size_t kept = 0;

    for (size_t i = 0; i < problems->n; i++) {
        if (problems->list[i].line <= line)
            problems->list[kept++] = problems->list[i];
        else
            free(problems->list[i].text);
    }
    problems->n = kept;
}

static int compare_problems(const void *a, const void *b) {
    const struct problem *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void problems_report(struct problems *problems, const struct places *places,
                     config_error_fn *on_error, void *arg) {
    if (problems->n > 0)
        qsort(problems->list, problems->n, sizeof *problems->list, compare_problems);
    for (size_t i = 0; i < problems->n; i++) {
        struct problem *problem = &problems->list[i];
        int line;
        const char *path = places_find(places, problem->line, &line);
        char *sentence;

        if (asprintf(&sentence, "%s:%d: %s", path, line, problem->text) < 0) {
            problems->out_of_memory = true;
        } else {
            on_error(arg, sentence);
            free(sentence);
        }
        free(problem->text);
    }
    if (problems->out_of_memory)
        on_error(arg, "out of memory while the configuration was read");
    free(problems->list);
    *problems = (struct problems){0};
}

const char *problems_show(const char *text, char *buf) {
    size_t len = strnlen(text, PROBLEMS_SHOWN_MAX);
    char whole[4 * PROBLEMS_SHOWN_MAX + 1];

    escape_text(text, len, ESCAPE_UNPRINTABLE, whole, sizeof whole);
    if (strlen(whole) < PROBLEMS_SHOWN_MAX)
        return strcpy(buf, whole);
    escape_text(text, len, ESCAPE_UNPRINTABLE, buf, PROBLEMS_SHOWN_MAX - strlen("..."));
    return strcat(buf, "...");
}
