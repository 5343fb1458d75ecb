#include "base/kill_point.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAYS 2

enum kill_ways { ONE, BOTH };

static const struct {
    const char *word;
    enum kill_ways ways;
} points[KILL_COUNT] = {
#define KILL(name, word, ways, help) [KILL_##name] = {word, ways},
#include "base/kill_points.def"
#undef KILL
};

static const char *const suffixes[WAYS] = {"-up", "-down"};

/* at: written before there are threads; 0: never. */
static struct {
    atomic_bool armed;
    unsigned long at[KILL_COUNT][WAYS], at_any;
    atomic_ulong passed[KILL_COUNT][WAYS], passed_any;
    size_t most; /* bytes of a send; 0: all */
    void (*_Atomic at_death)(void);
} kill_plan;

/* NAME of n letters. False: there is none. */
static bool find_kill_point(const char *name, size_t n, size_t *ret_point, unsigned *ret_way) {
    for (size_t i = 0; i < KILL_COUNT; i++)
        for (unsigned way = 0; way < (points[i].ways == BOTH ? WAYS : 1); way++) {
            const char *suffix = points[i].ways == BOTH ? suffixes[way] : "";
            size_t word = strlen(points[i].word);

            if (n == word + strlen(suffix) && strncmp(name, points[i].word, word) == 0 &&
                strncmp(name + word, suffix, n - word) == 0) {
                *ret_point = i;
                *ret_way = way;
                return true;
            }
        }
    return false;
}

/* A number above 0 that ends at one of these letters, or the text does. */
static bool read_kill_count(const char *text, const char *ends, unsigned long *ret) {
    char *end;

    errno = 0;
    *ret = strtoul(text, &end, 10);
    return errno == 0 && *text >= '1' && *text <= '9' && (*end == '\0' || strchr(ends, *end) != 0);
}

/* NAME:COUNT, up to a comma. */
static bool arm_one(const char *text) {
    size_t n = strcspn(text, ":,"), point;
    unsigned long count;
    unsigned way;

    if (text[n] != ':' || !read_kill_count(text + n + 1, ",", &count))
        return false;
    if (n == strlen("any") && strncmp(text, "any", n) == 0)
        kill_plan.at_any = count;
    else if (find_kill_point(text, n, &point, &way))
        kill_plan.at[point][way] = count;
    else
        return false;
    atomic_store_explicit(&kill_plan.armed, true, memory_order_relaxed);
    return true;
}

bool kill_point_arm(void) {
    const char *text = getenv("RELAYD_KILL_AT"), *most = getenv("RELAYD_SHORT_SENDS");

    while (text != NULL && *text != '\0') {
        if (!arm_one(text)) {
            fprintf(stderr, "RELAYD_KILL_AT: no NAME:COUNT of base/kill_points.def: %s\n", text);
            return false;
        }
        text += strcspn(text, ",");
        text += *text == ',';
    }
    if (most != NULL && !read_kill_count(most, "", &kill_plan.most)) {
        fprintf(stderr, "RELAYD_SHORT_SENDS: no number of bytes: %s\n", most);
        return false;
    }
    return true;
}

void kill_point_at_death(void (*call)(void)) {
    atomic_store(&kill_plan.at_death, call);
}

static void die(void) {
    void (*call)(void) = atomic_load(&kill_plan.at_death);

    if (call != NULL)
        call();
    for (;;)
        (void)kill(getpid(), SIGKILL); /* this thread does nothing after it */
}

void kill_point_pass(enum kill_point point, unsigned dir) {
    if (!atomic_load_explicit(&kill_plan.armed, memory_order_relaxed))
        return;
    CHECK(dir < (points[point].ways == BOTH ? WAYS : 1));
    unsigned long here = 1 + atomic_fetch_add_explicit(&kill_plan.passed[point][dir], 1,
                                                       memory_order_relaxed),
                  any =
                      1 + atomic_fetch_add_explicit(&kill_plan.passed_any, 1, memory_order_relaxed);

    if (here == kill_plan.at[point][dir] || any == kill_plan.at_any)
        die();
}

size_t kill_point_shorten(size_t n) {
    return kill_plan.most > 0 && n > kill_plan.most ? kill_plan.most : n;
}
