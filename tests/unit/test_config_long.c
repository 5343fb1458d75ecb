/* Long configuration files: four times the length takes about four times as long to read and
 * check. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config_text.h"
#include "cpu_time.h"

#define TIMES   4
#define RATIO   10 /* if each were compared with each, it would be TIMES * TIMES */
#define SHORTER (SANITIZED ? 40 : 1) /* there it is enough that it is read */

/* A file of a beginning, n rows and an end; a row has its number i, and what follows from it, in
 * it. */
struct shape {
    const char *name, *begin, *end;
    void (*row)(FILE *file, unsigned i);
    unsigned n;
    bool valid;
};

#define HOST_FORMAT "%u.%u.%u"
#define HOST(i)     (i) / 65536, (i) / 256 % 256, (i) % 256

static void row_of_chain(FILE *file, unsigned i) {
    fprintf(file,
            "listener l%u { address = 127.0.0.1:%u upstream = u%u }\n"
            "upstream u%u { server a { address = 127.0.0.1:%u } }\n",
            i, 1000 + i, i, i, 1001 + i);
}

/* All are one ring: an error each. */
static void row_of_ring(FILE *file, unsigned i) {
    fprintf(file,
            "listener l%u { address = unix:/%u upstream = u%u }\n"
            "upstream u%u { server a { address = unix:/%u } server b { address = unix:/1 } }\n",
            i, i, i, i, i + 1);
}

static void row_of_addresses(FILE *file, unsigned i) {
    fprintf(file, "%s\"127." HOST_FORMAT ":80\"\n", i > 1 ? "," : "", HOST(i));
}

static void row_of_prefixes(FILE *file, unsigned i) {
    fprintf(file, "%s\"10." HOST_FORMAT "\"\n", i > 1 ? "," : "", HOST(i));
}

static void row_of_listeners(FILE *file, unsigned i) {
    fprintf(file, "listener l%u { upstream = u address = 127." HOST_FORMAT ":80 }\n", i, HOST(i));
}

static void row_of_upstreams(FILE *file, unsigned i) {
    fprintf(file, "upstream u%u { server s { address = 10.0.0.1:80 } }\n", i);
}

static void row_of_servers(FILE *file, unsigned i) {
    fprintf(file, "server s%u { address = 10." HOST_FORMAT ":80 }\n", i, HOST(i));
}

static void row_of_names(FILE *file, unsigned i) {
    fprintf(file, "server s%u { address = n%u.example:80 }\n", i, i);
}

/* Each has the first one's address: an error each. */
static void row_of_errors(FILE *file, unsigned i) {
    fprintf(file, "server s%u { address = 10.0.0.1:80 weight = x }\n", i);
}

#define UP "upstream u { server s { address = 10.0.0.1:80 } }\n"

static const struct shape shapes[] = {
    {"a chain of listeners", "", "", row_of_chain, 1500, true},
    {"a ring of listeners", "", "", row_of_ring, 800, false},
    {"addresses", UP "listener w { upstream = u address = {", "} }", row_of_addresses, 3000, true},
    {"prefixes", UP "listener w { upstream = u address = :80 deny = {", "} }", row_of_prefixes,
     3000, true},
    {"listeners", UP, "", row_of_listeners, 1500, true},
    {"upstreams", "listener w { address = :80 upstream = u1 }\n", "", row_of_upstreams, 1500, true},
    {"servers", WEB "upstream app {\n", "}", row_of_servers, 2000, true},
    {"names", WEB "upstream app {\n", "}", row_of_names, 2000, true},
    {"errors", WEB "upstream app {\n", "}", row_of_errors, 1000, false},
};

static void count(void *arg, const char *sentence) {
    unsigned *n = arg;

    (void)sentence;
    (*n)++;
}

static double time_to_check(const struct shape *shape, unsigned n) {
    unsigned n_errors = 0;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    fputs(shape->begin, file);
    for (unsigned i = 1; i <= n; i++)
        shape->row(file, i);
    fputs(shape->end, file);
    assert_int_equal(fclose(file), 0);
    usec_t began = cpu_time(CLOCK_THREAD_CPUTIME_ID);
    struct config *config = config_load_buffer("f", text, size, count, &n_errors);
    double took = (double)(cpu_time(CLOCK_THREAD_CPUTIME_ID) - began) / USEC_PER_SEC;
    assert_true((config != NULL) == shape->valid);
    assert_int_equal(n_errors > 0, !shape->valid);
    config_unref(config);
    free(text);
    return took;
}

static void long_files_take_as_much_longer_as_they_are(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const struct shape *shape = &shapes[i];
        const unsigned n = shape->n / SHORTER;
        double once = 0, times = 0;

        for (int k = 0; k < (SANITIZED ? 1 : 4) && (k == 0 || times >= RATIO * once);
             k++) { /* the best */
            double small = time_to_check(shape, n), large = time_to_check(shape, TIMES * n);

            once = k == 0 || small < once ? small : once;
            times = k == 0 || large < times ? large : times;
        }
        print_message("%s: %.1f ms for %u, %.1f ms for %u\n", shape->name, once * 1e3, n,
                      times * 1e3, TIMES * n);
        assert_true(SANITIZED || times < RATIO * once);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_files_take_as_much_longer_as_they_are),
    };

    return cmocka_run_group_tests_name("config_long", tests, NULL, NULL);
}
