#include "daemon/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "control/errands.h"
#include "daemon/file_check.h"
#include "daemon/force.h"
#include "daemon/instance.h"
#include "record/access_log.h"
#include "relay/succession.h"

#define PATIENCE      (10 * USEC_PER_SEC) /* with a file system and name servers */
#define LAST_PATIENCE USEC_PER_SEC        /* at the end of the process */

void reload_ask(struct reload *reload, const siginfo_t *hup) {
    if (reload_requests_note(&reload->requests, hup))
        reload->wanted = true;
}

/* NULL: it is done. lines: more than why, for relayctl; or NULL. */
static void answer_reload(struct reload *reload, const char *why, const char *lines) {
    reload_requests_answer(&reload->requests, why);
    errands_answer(ERRAND_RELOAD, why == NULL, lines != NULL ? lines : why != NULL ? why : "");
}

static void refuse_with_lines(struct reload *reload, const char *why, const char *lines) {
    log_msg(MSG_RELOAD_REFUSED, "The reload was refused, and the configuration in force stays: %s",
            why);
    relay_note_reload(reload->relay, false);
    access_log_reopen(); /* logrotate(8) has renamed it all the same */
    notify_ready(reload->notify, reload->relay, why);
    answer_reload(reload, why, lines);
}

static void refuse_reload(struct reload *reload, const char *why) {
    refuse_with_lines(reload, why, NULL);
}

/* A place for a reading that has to be given up, or NULL. */
static struct reading **find_late(struct reload *reload) {
    struct reading **place = NULL;

    for (size_t i = 0; i < RELOAD_LATE_MAX; i++) {
        if (reload->late[i] != NULL && reading_free(reload->late[i]))
            reload->late[i] = NULL;
        if (reload->late[i] == NULL)
            place = &reload->late[i];
    }
    return place;
}

static void begin_reload(struct reload *reload) {
    reload->wanted = false;
    reload_requests_serve(&reload->requests);
    errands_serve(ERRAND_RELOAD);
    notify_reloading(reload->notify);
    if (reload->file == NULL) {
        refuse_reload(reload, "relayd was started with --proxy and has no file to read.");
        return;
    }
    if (find_late(reload) == NULL) {
        refuse_reload(reload,
                      "the reloads before still wait for a file system or a name server that does "
                      "not answer.");
        return;
    }
    int r = reading_begin(reload->file, NULL, reload->wake, reload->arg, &reload->reading);
    if (r < 0) {
        refuse_reload(reload, "there is no memory or no thread to read it with; raise TasksMax.");
        return;
    }
    reload->until = clock_now() + PATIENCE;
}

static void give_up_reload(struct reload *reload) {
    char why[LOG_TEXT_MAX / 2], what[LOG_TEXT_MAX / 4];

    snprintf(why, sizeof(why), "%s did not come within %d s.",
             reading_waits_for(reload->reading, what, sizeof(what)),
             (int)(PATIENCE / USEC_PER_SEC));
    *find_late(reload) = reload->reading; /* there is a place: begin_reload */
    reload->reading = NULL;
    refuse_reload(reload, why);
}

static void put_in_force(struct reload *reload, const struct reading_result *result) {
    struct config *before = config_ref(relay_config(reload->relay));
    char name[KEEPER_NAME_MAX], *what = NULL;

    if (force_config(reload->relay, reload->passed, result, &what) == EX_OK) {
        relay_open(reload->relay);
        instance_name(result->config, reload->file, name);
        succession_change(reload->relay, before->global.keeper, name);
        log_msg(MSG_RELOADED, "Reloaded %s: new connections are relayed as it says.", reload->file);
        relay_announce(reload->relay);
        notify_ready(reload->notify, reload->relay, NULL);
        answer_reload(reload, NULL, NULL);
    } else {
        refuse_reload(reload, what != NULL ? what : "there was no memory.");
    }
    free(what);
    config_unref(before);
}

static void end_reload(struct reload *reload, const struct reading_result *result) {
    char text[ERRAND_TEXT_MAX];

    for (size_t i = 0; i < result->n_errors; i++)
        log_msg(MSG_CONFIG_ERROR, "%s", result->errors[i]);
    if (result->config == NULL)
        refuse_with_lines(reload, result->n_errors > 0 ? result->errors[0] : "there was no memory.",
                          file_check_complaints(result, text, sizeof(text)));
    else if (!result->found)
        refuse_reload(reload, result->what != NULL ? result->what : "there was no memory.");
    else
        put_in_force(reload, result);
    CHECK(reading_free(reload->reading));
    reload->reading = NULL;
}

usec_t reload_due(const struct reload *reload) {
    return reload->reading != NULL ? reload->until : reload->wanted ? 0 : USEC_NEVER;
}

bool reload_tick(struct reload *reload) {
    bool ended = false;

    if (reload->reading != NULL) {
        const struct reading_result *result = reading_done(reload->reading);

        if (result != NULL)
            end_reload(reload, result);
        else if (clock_now() >= reload->until)
            give_up_reload(reload);
        ended = reload->reading == NULL;
    }
    if (reload->reading == NULL && (reload->wanted || errands_wait(ERRAND_RELOAD)))
        begin_reload(reload);
    return ended;
}

void reload_free(struct reload *reload) {
    usec_t deadline = clock_now() + LAST_PATIENCE;

    if (reload->reading != NULL && reading_free_until(reload->reading, deadline))
        reload->reading = NULL;
    for (size_t i = 0; i < RELOAD_LATE_MAX; i++)
        if (reload->late[i] != NULL && reading_free_until(reload->late[i], deadline))
            reload->late[i] = NULL;
}

/* Whoever rotates logs sends a HUP, too: what they have renamed is left alone from now on. */
void reload_stop(struct reload *reload, const siginfo_t *hup) {
    bool asked = hup != NULL ? reload_requests_note(&reload->requests, hup)
                             : reload->wanted || reload->reading != NULL;

    reload->wanted = false;
    reload_requests_serve(&reload->requests);
    if (asked) {
        log_msg(MSG_RELOAD_REFUSED,
                "The reload was refused, and the configuration in force stays: relayd stops. The "
                "relayd that is started next reads the file.");
        relay_note_reload(reload->relay, false);
        access_log_reopen();
    }
    answer_reload(reload, "relayd stops.", NULL);
}
