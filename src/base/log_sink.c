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
#include <time.h>
#include <unistd.h>

#include "base/escape.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket" /* systemd-journald.service(8) */

const struct log_kind_info log_kind_infos[MSG_COUNT] = {
#define MESSAGE(name, level, id, subject, explanation) [MSG_##name] = {LOG_LEVEL_##level, id},
#include "base/messages.def"
#undef MESSAGE
};

static bool to_journal;

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

static const char *level_name(enum log_level level) {
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_NOTICE:
        return "notice";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    default:
        return "?";
    }
}

/* The line that is being written, as far as it has not been. */
static struct {
    char bytes[4 * LOG_TEXT_MAX + 4 * LOG_FIELD_ROOM + 128];
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

static void add_escaped(const char *text, enum escape what) {
    escape_text(text, strlen(text), what, rest.bytes + rest.end, sizeof(rest.bytes) - rest.end);
    rest.end += strlen(rest.bytes + rest.end);
}

static void format_stderr(const struct log_line *line) {
    time_t seconds = (time_t)(line->realtime_usec / USEC_PER_SEC);
    size_t size = sizeof(rest.bytes);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    rest.begin = 0;
    rest.end = strftime(rest.bytes, size, "%Y-%m-%dT%H:%M:%S", &tm);
    rest.end += (size_t)snprintf(rest.bytes + rest.end, size - rest.end, ".%06dZ %s ",
                                 (int)(line->realtime_usec % USEC_PER_SEC),
                                 level_name(log_kind_infos[line->kind].level));
    add_escaped(line->text, ESCAPE_UNPRINTABLE);
    for (size_t i = 0; i < line->n_fields; i++) {
        add_escaped(i == 0 ? "  " : " ", ESCAPE_UNPRINTABLE);
        add_escaped(line->fields[i].text, ESCAPE_BLANKS);
    }
    rest.bytes[rest.end++] = '\n';
}

static int write_stderr(const struct log_line *line, const atomic_bool *give_up) {
    int r = write_rest(give_up);

    if (r < 0)
        return r;
    format_stderr(line);
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
