#include "base/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* CODE_FILE would always be this file */
#include <systemd/sd-journal.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket" /* systemd-journald.service(8) */

const struct log_kind_info log_kind_infos[MSG_COUNT] = {
#define MESSAGE(name, level, id, subject, explanation) [MSG_##name] = {LOG_LEVEL_##level, id},
#include "base/messages.def"
#undef MESSAGE
};

static _Atomic int format = LOG_FORMAT_TEXT;
static bool to_journal;
static enum log_look text_look = LOG_LOOK_TEXT; /* or, at a terminal, that of sentences */

void log_set_format(enum log_format chosen) {
    atomic_store(&format, (int)chosen);
}

/* no-color.org: NO_COLOR counts unless it is empty. */
static enum log_look look_at_terminal(void) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool plain =
        (no_color != NULL && no_color[0] != '\0') || term == NULL || strcmp(term, "dumb") == 0;

    return plain ? LOG_LOOK_PLAIN : LOG_LOOK_COLOUR;
}

/* An empty line was written to stderr, which the journal does not keep, but by which it learns the
 * unit of this process. It would else ask /proc when it reads a native message, and not find a
 * process that could not start and is gone by then. */
static bool introduced;

/* systemd.exec(5): $JOURNAL_STREAM is "device:inode" of the stream that systemd connected to the
 * journal. If stderr is still that one, the journal reads it, and native messages say more. */
void log_sink_open(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    to_journal = stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
                 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
    text_look = isatty(STDERR_FILENO) ? look_at_terminal() : LOG_LOOK_TEXT;
    if (to_journal && !introduced)
        introduced = write(STDERR_FILENO, "\n", 1) > 0;
}

static int write_journal(const struct log_line *line, const atomic_bool *give_up) {
    const struct log_kind_info *info = &log_kind_infos[line->kind];
    struct iovec iov[LOG_FIELDS_MAX + 4];
    char head[4][LOG_TEXT_MAX + 32];
    int n = 0, r;

    /* sd_journal_sendv(3) says that all is well if this is not there. */
    if (access(JOURNAL_SOCKET, F_OK) < 0)
        return -errno;
    snprintf(head[0], sizeof(head[0]), "MESSAGE=%s", line->text);
    snprintf(head[1], sizeof(head[1]), "PRIORITY=%d", (int)info->level);
    snprintf(head[2], sizeof(head[2]), "MESSAGE_ID=%s", info->id);
    snprintf(head[3], sizeof(head[3]), "SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        iov[n++] = (struct iovec){head[i], strlen(head[i])};
    for (size_t i = 0; i < line->n_fields; i++) {
        /* The journal takes char pointers that it does not write to. */
        union {
            const char *in;
            char *out;
        } field = {line->fields[i].text};
        iov[n++] = (struct iovec){field.out, strlen(field.in)};
    }
    do
        r = sd_journal_sendv(iov, n);
    while (r == -EINTR && !atomic_load(give_up));
    return r;
}

/* The line that is being written, as far as it has not been. */
static struct {
    char bytes[LOG_LINE_SIZE];
    size_t begin, end;
} rest;

/* Stderr may be shared with a program that has made it non-blocking: then this waits for room,
 * too. */
static int await_sink_room(const atomic_bool *give_up) {
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

    while (poll(&room, 1, -1) < 0)
        if (errno != EINTR || atomic_load(give_up))
            return -errno;
    return 0;
}

static int write_rest(const atomic_bool *give_up) {
    while (rest.begin < rest.end) {
        ssize_t n = write(STDERR_FILENO, rest.bytes + rest.begin, rest.end - rest.begin);
        int r = n < 0 ? -errno : 0;

        if (r == -EAGAIN)
            r = await_sink_room(give_up);
        if (r < 0 && (r != -EINTR || atomic_load(give_up)))
            return r;
        rest.begin += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static enum log_look choose_look(void) {
    if (atomic_load_explicit(&format, memory_order_relaxed) == LOG_FORMAT_JSON)
        return LOG_LOOK_JSON;
    return text_look;
}

static int write_stderr(const struct log_line *line, const atomic_bool *give_up) {
    int r = write_rest(give_up);

    if (r < 0)
        return r;
    rest.begin = 0;
    rest.end = log_render(line, choose_look(), rest.bytes);
    r = write_rest(give_up);
    if (r < 0 && rest.begin == 0)
        rest.end = 0;
    return rest.begin > 0 ? 0 : r;
}

int log_sink_write(const struct log_line *line, const atomic_bool *give_up) {
    return to_journal ? write_journal(line, give_up) : write_stderr(line, give_up);
}

bool log_sink_is_torn(void) {
    return rest.begin < rest.end;
}

void log_sink_finish(const atomic_bool *give_up) {
    (void)write_rest(give_up);
}
