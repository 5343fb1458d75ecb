#include "daemon/reading.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

struct reading {
    struct thread thread;
    char *file; /* NULL: it was read before */
    void (*on_done)(void *arg);
    void *arg;
    struct reading_result result; /* its thread's until done */
    _Atomic bool done;            /* the thread touches nothing any more */
};

/* Kept for main, which may give it up meanwhile: then they are nobody's. Without memory it is told
 * less. */
static void keep_error(void *arg, const char *sentence) {
    struct reading_result *result = arg;
    char **grown = realloc(result->errors, (result->n_errors + 1) * sizeof(*grown));
    char *copy = strdup(sentence);

    if (grown != NULL)
        result->errors = grown;
    if (grown != NULL && copy != NULL)
        grown[result->n_errors++] = copy;
    else
        free(copy);
}

/* False: *ret_what says why, or is NULL: no memory. */
static bool open_access_log(const struct config *config, struct access_file **ret,
                            char **ret_what) {
    const struct global_config *global = &config->global;
    const char *path = config->path != NULL ? config->path : "";
    int line = 0, error = 0;

    if (global->access_log[0] == '\0')
        return true;
    *ret = access_file_open(global->access_log, (enum access_format)global->access_format, &error);
    if (*ret != NULL)
        return true;
    if (global->access_log_line > 0)
        path = places_find(&config->places, global->access_log_line, &line);
    if (asprintf(ret_what, "%s:%d: access_log %s cannot be opened: %s; %s.", path, line,
                 global->access_log, strerrordesc_np(-error), access_file_remedy(-error)) < 0)
        *ret_what = NULL;
    return false;
}

static void reading_thread(void *arg) {
    struct reading *reading = arg;
    struct reading_result *result = &reading->result;
    void (*on_done)(void *) = reading->on_done;
    void *on_done_arg = reading->arg;

    if (reading->file != NULL)
        result->config = config_load(reading->file, keep_error, result);
    if (result->config != NULL)
        result->found = listen_names_find(&result->names, result->config, &result->what) &&
                        open_access_log(result->config, &result->access, &result->what);
    atomic_store(&reading->done, true);
    on_done(on_done_arg);
}

static void free_parts(struct reading *reading) {
    struct reading_result *result = &reading->result;

    listen_names_free(&result->names);
    access_file_unref(result->access);
    config_unref(result->config);
    for (size_t i = 0; i < result->n_errors; i++)
        free(result->errors[i]);
    free(result->errors);
    free(result->what);
    free(reading->file);
    free(reading);
}

int reading_begin(const char *file, struct config *config, void (*on_done)(void *arg), void *arg,
                  struct reading **ret_reading) {
    struct reading *reading = calloc(1, sizeof(*reading));
    int r = 0;

    if (reading == NULL)
        return -ENOMEM;
    reading->on_done = on_done;
    reading->arg = arg;
    if (file != NULL && (reading->file = strdup(file)) == NULL)
        r = -ENOMEM;
    else
        reading->result.config = config;
    if (r == 0)
        r = thread_start(&reading->thread, "reader", NULL, reading_thread, reading);
    if (r == 0) {
        *ret_reading = reading;
    } else {
        reading->result.config = NULL;
        free_parts(reading);
    }
    return r;
}

const struct reading_result *reading_done(const struct reading *reading) {
    return atomic_load(&reading->done) ? &reading->result : NULL;
}

const char *reading_waits_for(const struct reading *reading, char *text, size_t size) {
    const struct listen_address *asked = atomic_load(&reading->result.names.asked);

    if (asked != NULL)
        snprintf(text, size, "an answer about the name of a listener, %s", asked->text);
    else
        snprintf(text, size, "what %s is stored on",
                 reading->file != NULL ? reading->file : "the configuration");
    return text;
}

bool reading_free_until(struct reading *reading, usec_t deadline) {
    if (!thread_interrupt_join_until(&reading->thread, deadline)) {
        thread_abandon(&reading->thread);
        return false;
    }
    free_parts(reading);
    return true;
}

bool reading_free(struct reading *reading) {
    if (!atomic_load(&reading->done))
        return false;
    thread_join(&reading->thread); /* after its last word */
    free_parts(reading);
    return true;
}
