#include "control/waiter.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE  (60 * USEC_PER_SEC)
#define FORGOTTEN (5 * USEC_PER_SEC) /* after he was resumed, and did not come: he has gone */

static struct reply begin_waiter(struct waiter_list *list, struct waiter *waiter) {
    waiter->until = clock_now() + PATIENCE;
    LIST_INSERT_HEAD(list, waiter, entry);
    MHD_suspend_connection(waiter->connection);
    return (struct reply){.waiter = waiter};
}

struct reply waiter_begin(struct waiter_list *list, struct MHD_Connection *connection,
                          enum errand_kind kind) {
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    const char *why = "there is no memory";
    struct errand *errand = waiter != NULL ? errand_new(kind, &why) : NULL;

    if (errand == NULL) {
        free(waiter);
        return reply_error(503, why);
    }
    *waiter = (struct waiter){.connection = connection, .errand = errand};
    return begin_waiter(list, waiter);
}

struct reply waiter_begin_probe(struct waiter_list *list, struct MHD_Connection *connection,
                                struct probe *probe) {
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (waiter == NULL) {
        probe_free(probe);
        return reply_error(503, "there is no memory");
    }
    *waiter = (struct waiter){.connection = connection, .probe = probe};
    return begin_waiter(list, waiter);
}

static void free_waiter(struct waiter *waiter) {
    LIST_REMOVE(waiter, entry);
    errand_free(waiter->errand);
    if (waiter->probe != NULL)
        probe_free(waiter->probe);
    free(waiter);
}

static struct waiter *find_waiter(struct waiter_list *list, const void *wanted) {
    struct waiter *waiter;

    LIST_FOREACH(waiter, list, entry)
        if (waiter == wanted)
            return waiter;
    return NULL;
}

static json_t *list_lines(const char *text) {
    json_t *lines = json_array();

    while (*text != '\0') {
        size_t n = strcspn(text, "\n");

        json_add(&lines, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
    return lines;
}

static bool is_done(const struct waiter *waiter) {
    char text[ERRAND_TEXT_MAX];
    bool good;

    return waiter->probe != NULL ? probe_is_done(waiter->probe)
                                 : errand_look(waiter->errand, &good, text) == ERRAND_DONE;
}

static struct reply errand_reply(const struct errand *errand) {
    char text[ERRAND_TEXT_MAX];
    bool good = false;

    (void)errand_look(errand, &good, text);
    return reply_json(200, json_pack("{s:b, s:o}", "good", good, "lines", list_lines(text)));
}

bool waiter_finish(struct waiter_list *list, const void *wanted, struct reply *ret_reply) {
    struct waiter *waiter = find_waiter(list, wanted);

    if (waiter == NULL)
        return false;
    if (!is_done(waiter))
        *ret_reply = reply_error(504, "there is no answer yet; the log will tell how it went");
    else
        *ret_reply =
            waiter->probe != NULL ? probe_reply(waiter->probe) : errand_reply(waiter->errand);
    free_waiter(waiter);
    return true;
}

void waiter_look(struct waiter_list *list, bool all) {
    struct waiter *waiter = LIST_FIRST(list);

    while (waiter != NULL) {
        struct waiter *next = LIST_NEXT(waiter, entry);

        if (waiter->resumed != 0) {
            if (clock_now() - waiter->resumed > FORGOTTEN)
                free_waiter(waiter);
        } else if (all || clock_now() >= waiter->until || is_done(waiter)) {
            waiter->resumed = clock_now();
            MHD_resume_connection(waiter->connection);
        }
        waiter = next;
    }
}

void waiter_free_all(struct waiter_list *list) {
    while (!LIST_EMPTY(list))
        free_waiter(LIST_FIRST(list));
}
