/* HTTP/1.0 and 1.1 (RFC 9110, RFC 9112): heads and chunks, bytes in, structs out. Pure; any thread.
 *
 * Strict: what two programs could read in two ways is refused, not guessed at, since the one that
 * routes and the one that answers must see the same requests. Nothing is allocated or copied:
 * spans point into the bytes that were given. */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Bytes of a head, its last line end included; of a target; field lines. Beyond: 431, 414, 431 (of
 * an answer: 502). */
#define HTTP1_HEAD_MAX   16384
#define HTTP1_TARGET_MAX 8192
#define HTTP1_FIELDS_MAX 100

/* n bytes from `at` on of the head. */
struct http1_span {
    uint16_t at, n;
};

/* Fields that relayd knows; more come with whoever needs them (http1_names in http1_fields.c). */
enum http1_name {
    HTTP1_OTHER,
    HTTP1_HOST,
    HTTP1_CONNECTION,
    HTTP1_CONTENT_LENGTH,
    HTTP1_TRANSFER_ENCODING,
    HTTP1_EXPECT,
    HTTP1_UPGRADE,
    HTTP1_KEEP_ALIVE,
    HTTP1_PROXY_CONNECTION,
    HTTP1_TE,
    HTTP1_TRAILER,
    HTTP1_HTTP2_SETTINGS,
    HTTP1_COOKIE,
    HTTP1_SET_COOKIE,
    HTTP1_AUTHORIZATION,
    HTTP1_USER_AGENT,
    HTTP1_REFERER,
    HTTP1_LOCATION,
    HTTP1_FORWARDED,
    HTTP1_VIA,
    HTTP1_X_FORWARDED_FOR,
    HTTP1_X_FORWARDED_PROTO,
    HTTP1_X_FORWARDED_HOST,
    HTTP1_X_REAL_IP,
    HTTP1_X_REQUEST_ID,
    HTTP1_NAME_COUNT,
};

struct http1_field {
    struct http1_span line; /* with its CRLF */
    struct http1_span name;
    struct http1_span value; /* without blanks around it */
    uint8_t known;           /* enum http1_name */
    /* Not to be passed on: of this connection alone (RFC 9110, 7.6.1), or a name that differs from
     * one of ours by `_` for `-`. */
    bool hop;
};

enum http1_method {
    HTTP1_METHOD_OTHER,
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_DELETE,
    HTTP1_CONNECT,
    HTTP1_OPTIONS,
    HTTP1_TRACE,
    HTTP1_PATCH,
};

/* RFC 9110, 9.2.2: may be sent again. */
bool http1_is_idempotent(enum http1_method method);

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH, /* content_length bytes, may be 0 */
    HTTP1_CHUNKED,
    HTTP1_UNTIL_END, /* of an answer: until the connection ends */
};

struct http1_head {
    uint16_t length;  /* of the head in bytes: the body begins there */
    uint16_t skipped; /* of an empty line before it, which is part of length */
    bool v1_0;
    /* A request: */
    enum http1_method method;
    struct http1_span method_text;
    struct http1_span target; /* as sent */
    struct http1_span path;   /* without the query; of an absolute form what follows the authority,
                               * which may be empty; of "*": that */
    struct http1_span query;  /* with its "?"; or nothing */
    struct http1_span host;   /* no port, "[...]" whole, one dot at the end cut off; empty only
                               * without Host (1.0) */
    struct http1_span authority; /* host and port as sent in Host; without Host, in the target */
    bool absolute;               /* the target's form: http://authority/path */
    bool expects_continue;       /* and there is a body */
    /* An answer: */
    uint16_t status;
    struct http1_span reason;
    /* Both: */
    enum http1_framing framing;
    uint64_t content_length;
    bool close; /* this connection ends behind it: Connection: close, or 1.0 without keep-alive */
    bool upgrades; /* Connection names upgrade, there is one Upgrade field, and no body */
    struct http1_span upgrade; /* its value */
    uint8_t n_fields;
    struct http1_field fields[HTTP1_FIELDS_MAX];
};

enum http1_outcome {
    HTTP1_MORE, /* good so far; ask again with more bytes */
    HTTP1_WHOLE,
    HTTP1_BAD,
};

/* What is wrong with it, and how a client is answered. */
struct http1_fault {
    uint16_t status; /* 400, 405, 414, 417, 431, 501, 505; of an answer always 502 */
    const char *why; /* a clause, static: "its field line has no colon" */
};

/* The head of a request in the first n bytes. n need not be whole: MORE says so, or BAD as soon as
 * that is certain, however the bytes were split. Bytes behind the head are not looked at. ret_head
 * says something only if WHOLE, but its method_text, host, path and query also if BAD: what was
 * understood of them; ret_fault if BAD. Each call begins anew: see http1_has_news. */
enum http1_outcome http1_parse_request(const char *bytes, size_t n, struct http1_head *ret_head,
                                       struct http1_fault *ret_fault) MUST_USE;

/* The same of an answer to a request with this method. 1xx, 204, 304 and answers to HEAD have no
 * body whatever they announce (content_length is what is announced). What follows a 101 is another
 * protocol. */
enum http1_outcome http1_parse_answer(const char *bytes, size_t n, enum http1_method method,
                                      struct http1_head *ret_head,
                                      struct http1_fault *ret_fault) MUST_USE;

/* Of n bytes the first `seen` gave MORE: whether it is worth while to parse again. Who asks it lets
 * a client that sends byte by byte cost a parse for each line, not for each byte. The first bytes
 * are, whatever they are: another protocol is known by them, and its line may never end. */
bool http1_has_news(const char *bytes, size_t seen, size_t n);

/* NULL: there is none of this name. The first, if there are more. */
const struct http1_field *http1_find(const struct http1_head *head, enum http1_name name);

/* Whether the bytes, without regard to case, are this NUL-ended text. */
bool http1_is(const char *bytes, struct http1_span span, const char *text);

/* Whether a comma list has this member, without regard to case. */
bool http1_lists(const char *bytes, struct http1_span list, const char *member);

/* Whether a path is one that a route by path may be asked about: begins with "/", has no dot
 * segments ("..;x", too), "//", "\\", "%2e", "%2f", "%5c", "%00", nor "%" without two digits. (What
 * routes must be what the server sees.) Neither is "*", nor the empty path of an absolute form. */
bool http1_path_is_plain(const char *bytes, struct http1_span path);

/* Chunked bodies (RFC 9112, 7.1), in any split. */
struct http1_chunks {
    uint8_t state;
    uint8_t digits;     /* of the size under way */
    uint16_t extension; /* bytes of the extension under way */
    uint16_t trailers;  /* bytes of the trailers so far */
    uint64_t left;      /* bytes of this chunk that are still to come */
};

#define HTTP1_EXTENSION_MAX 256
#define HTTP1_TRAILERS_MAX  8192

enum http1_chunk_outcome {
    HTTP1_CHUNK_MORE, /* all n bytes are used, and it goes on */
    HTTP1_CHUNK_DATA, /* *ret_data bytes of the body begin at *ret_used; they are to be taken by
                       * http1_chunks_took before the next call, as many as were */
    HTTP1_CHUNK_END,  /* the body and its trailers are over, *ret_used bytes belong to it */
    HTTP1_CHUNK_BAD,
};

/* Zeroed: nothing has come. Takes framing up to the next data. */
enum http1_chunk_outcome http1_chunks_take(struct http1_chunks *chunks, const char *bytes, size_t n,
                                           size_t *ret_used, size_t *ret_data) MUST_USE;
/* n bytes of data were taken, at most chunks->left. */
void http1_chunks_took(struct http1_chunks *chunks, size_t n);

/* "1a2b\r\n" before a chunk of n > 0 bytes, which "\r\n" follows. Returns its length. */
#define HTTP1_CHUNK_HEAD_MAX 18
size_t http1_chunk_head(char to[HTTP1_CHUNK_HEAD_MAX], size_t n);
#define HTTP1_LAST_CHUNK "0\r\n\r\n"

#endif
