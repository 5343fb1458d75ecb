#include "daemon/file_check.h"

#include <stdio.h>

#include "base/text.h"
#include "config/warnings.h"
#include "control/errands.h"
#include "relay/succession.h"

#define PATIENCE      (10 * USEC_PER_SEC) /* with a file system and name servers */
#define LAST_PATIENCE USEC_PER_SEC

struct lines {
    char *buf;
    size_t size;
};

/* A config_error_fn. */
static void add_line(void *arg, const char *sentence) {
    struct lines *lines = arg;

    text_append(lines->buf, lines->size, "%s%s", lines->buf[0] != '\0' ? "\n" : "", sentence);
}

static void add_warning(void *arg, const char *where, const char *sentence) {
    struct lines *lines = arg;

    text_append(lines->buf, lines->size, "%s%swarning: %s", lines->buf[0] != '\0' ? "\n" : "",
                where, sentence);
}

const char *file_check_complaints(const struct reading_result *result, char *buf, size_t size) {
    struct lines lines = {.buf = buf, .size = size};

    buf[0] = '\0';
    for (size_t i = 0; i < result->n_errors; i++)
        add_line(&lines, result->errors[i]);
    if (result->config != NULL && !result->found)
        add_line(&lines, result->what != NULL ? result->what : "there was no memory.");
    if (result->config != NULL)
        warnings_tell(result->config, add_warning, &lines);
    if (result->config == NULL && buf[0] == '\0')
        add_line(&lines, "there was no memory.");
    return buf;
}

static void begin_file_check(struct file_check *check) {
    errands_serve(ERRAND_CHECK);
    if (check->file == NULL) {
        errands_answer(ERRAND_CHECK, false,
                       "relayd was started with --proxy and has no file to check.");
        return;
    }
    if (reading_begin(check->file, NULL, check->wake, check->arg, &check->reading) < 0) {
        check->reading = NULL;
        errands_answer(ERRAND_CHECK, false,
                       "there is no memory or no thread to read it with; raise TasksMax.");
        return;
    }
    check->until = clock_now() + PATIENCE;
}

/* Appends whether it is what runs. */
static void compare_file(const struct file_check *check, const struct config *config, char *buf,
                         size_t size) {
    struct generation *generation = relay_hold(check->relay);
    bool same = generation != NULL && generation->config->fingerprint == config->fingerprint;

    relay_let_go(generation);
    text_append(buf, size, "%s%s is good, and %s", buf[0] != '\0' ? "\n" : "", check->file,
                same ? "what runs." : "differs from what runs: relayctl reload.");
    if (succession_awaits_restart(check->relay, config))
        text_append(buf, size, "\nkeeper = %s is in force once relayd is restarted.",
                    config->global.keeper);
}

static void end_file_check(struct file_check *check, const struct reading_result *result) {
    char text[ERRAND_TEXT_MAX];

    if (check->until != 0) {
        file_check_complaints(result, text, sizeof(text));
        if (result->config != NULL && result->found)
            compare_file(check, result->config, text, sizeof(text));
        errands_answer(ERRAND_CHECK, result->config != NULL && result->found, text);
    }
    CHECK(reading_free(check->reading));
    check->reading = NULL;
}

/* It goes on, and nobody waits for it. */
static void give_up_file_check(struct file_check *check) {
    char why[256], what[128];

    snprintf(why, sizeof(why), "%s did not come within %d s.",
             reading_waits_for(check->reading, what, sizeof(what)), (int)(PATIENCE / USEC_PER_SEC));
    errands_answer(ERRAND_CHECK, false, why);
    check->until = 0;
}

usec_t file_check_due(const struct file_check *check) {
    return check->reading != NULL && check->until != 0 ? check->until : USEC_NEVER;
}

void file_check_tick(struct file_check *check) {
    if (check->reading != NULL) {
        const struct reading_result *result = reading_done(check->reading);

        if (result != NULL)
            end_file_check(check, result);
        else if (check->until != 0 && clock_now() >= check->until)
            give_up_file_check(check);
    }
    if (!errands_wait(ERRAND_CHECK))
        return;
    if (check->reading == NULL) {
        begin_file_check(check);
    } else if (check->until == 0) {
        errands_serve(ERRAND_CHECK);
        errands_answer(ERRAND_CHECK, false,
                       "the check before still waits for a file system or a name server that does "
                       "not answer.");
    }
}

void file_check_free(struct file_check *check) {
    if (check->reading != NULL && reading_free_until(check->reading, clock_now() + LAST_PATIENCE))
        check->reading = NULL;
}
