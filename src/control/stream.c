#include "control/stream.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLOCK ((size_t)16384)

struct stream {
    LIST_ENTRY(stream) entry;
    struct stream_list *list; /* NULL: not yet in one */
    struct log_tap *tap;
    struct stream_wish wish;
    struct MHD_Connection *connection;
    int fd;
    bool suspended, ended;
};

static atomic_uint streams;

/* A log_tap_wants_fn. */
static bool stream_wants(const void *arg, const struct log_line *line) {
    const struct stream_wish *wish = arg;
    const struct filter *filter = &wish->filter;
    struct addr client = {0};
    const char *why;

    if (!request_filter_takes(&wish->request, line))
        return false;
    if (filter->failed && !log_line_failed(line))
        return false;
    if (filter->end[0] != '\0' && strcasecmp(log_line_value(line, "RELAYD_END"), filter->end) != 0)
        return false;
    if (filter->by_client &&
        !addr_parse_ip(log_line_value(line, "RELAYD_CLIENT_ADDRESS"), &client, &why))
        return false;
    return filter_takes_bearer(filter, log_line_value(line, "RELAYD_TLS_CLIENT"),
                               log_line_value(line, "RELAYD_TLS_CLIENT_FINGERPRINT")) &&
           filter_takes(filter, log_line_value(line, "RELAYD_LISTENER"),
                        log_line_value(line, "RELAYD_UPSTREAM"),
                        log_line_value(line, "RELAYD_SERVER"), &client);
}

struct stream *stream_new(const struct stream_wish *wish, bool *ret_full) {
    struct stream *stream = calloc(1, sizeof(*stream));

    *ret_full = atomic_fetch_add(&streams, 1) >= STREAMS_MOST;
    if (stream != NULL) {
        unsigned hears = wish->request.hears;

        stream->wish = *wish;
        if (!*ret_full)
            stream->tap =
                log_tap_open(hears, hears != LOG_TAP_EVENTS ? stream_wants : NULL, &stream->wish);
        if (stream->tap != NULL)
            return stream;
    }
    atomic_fetch_sub(&streams, 1);
    free(stream);
    return NULL;
}

void stream_free(struct stream *stream) {
    if (stream == NULL)
        return;
    if (stream->list != NULL)
        LIST_REMOVE(stream, entry);
    log_tap_close(stream->tap);
    free(stream);
    atomic_fetch_sub(&streams, 1);
}

/* An MHD_ContentReaderCallback. */
static ssize_t read_stream(void *arg, uint64_t position, char *buf, size_t size) {
    struct stream *stream = arg;

    (void)position;
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = log_tap_take(stream->tap, buf, size);
    if (n == 0) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
    }
    return (ssize_t)n;
}

static void free_stream(void *stream) {
    stream_free(stream);
}

struct MHD_Response *stream_respond(struct stream *stream, struct stream_list *list,
                                    struct MHD_Connection *connection, int fd) {
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, free_stream);

    if (response == NULL) {
        stream_free(stream);
        return NULL;
    }
    stream->connection = connection;
    stream->fd = fd;
    stream->list = list;
    LIST_INSERT_HEAD(list, stream, entry);
    /* It may be silent for long, and so may who pages through it: STREAMS_MOST bounds this. */
    (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    return response;
}

static bool is_gone(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

    return poll(&poll_fd, 1, 0) > 0;
}

static void resume_stream(struct stream *stream) {
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
}

void stream_look(struct stream_list *list) {
    struct stream *stream;

    LIST_FOREACH(stream, list, entry) {
        if (!stream->suspended)
            continue;
        stream->ended = stream->ended || is_gone(stream->fd);
        if (stream->ended || log_tap_has(stream->tap))
            resume_stream(stream);
    }
}

void stream_end_all(struct stream_list *list) {
    struct stream *stream;

    LIST_FOREACH(stream, list, entry) {
        stream->ended = true;
        if (stream->suspended)
            resume_stream(stream);
    }
}
