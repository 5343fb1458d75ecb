/* What is wrong with the configuration's file now: relayctl check. A reading of its own, which
 * changes nothing. Main's. */
#ifndef DAEMON_FILE_CHECK_H
#define DAEMON_FILE_CHECK_H

#include "daemon/reading.h"
#include "relay/relay.h"

struct file_check {
    const char *file;        /* NULL: there is none */
    void (*wake)(void *arg); /* ends main's wait */
    void *arg;
    struct relay *relay;     /* whose configuration it is compared with */
    struct reading *reading; /* NULL: none is under way */
    usec_t until;            /* then whoever asks is told that it takes too long; 0: they are */
};

/* When file_check_tick is due, unless `wake` comes before. */
usec_t file_check_due(const struct file_check *check);

/* Begins and ends checks, for whoever asks (control/errands.h). */
void file_check_tick(struct file_check *check);

/* At the end of the process. */
void file_check_free(struct file_check *check);

/* Lines of what a reading complains of. Returns buf. */
const char *file_check_complaints(const struct reading_result *result, char *buf, size_t size);

#endif
