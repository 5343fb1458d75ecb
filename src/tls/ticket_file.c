#include "tls/ticket_file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tls/key_mode.h"
#include "tls/pem.h"

#define FILE_MOST  65536 /* bytes */
#define LONG       80    /* bytes of a key, and characters of it in base64 (RFC 4648, 4) */
#define LONG_TEXT  108
#define SHORT      48
#define SHORT_TEXT 64
#define BASE64     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define COMMAND    "openssl rand 80 | openssl base64 -A"

/* Lines of a file while they are read. */
struct lines {
    const char *path, *at, *end; /* what is left of the text */
    size_t number, keys, size;   /* of the line; read so far; of the first */
};

/* The next line without what is blank at its end. False: there is none. */
static bool next_key_line(struct lines *lines, const char **ret_line, size_t *ret_n) {
    if (lines->at == lines->end)
        return false;
    const char *newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    const char *end = newline != NULL ? newline : lines->end;

    *ret_line = lines->at;
    *ret_n = (size_t)(end - lines->at);
    while (*ret_n > 0 && memchr(" \t\r", (*ret_line)[*ret_n - 1], 3) != NULL)
        (*ret_n)--;
    lines->at = newline != NULL ? newline + 1 : lines->end;
    lines->number++;
    return true;
}

static size_t count_base64(const char *line, size_t n) {
    size_t i = 0;

    while (i < n && line[i] != '\0' && strchr(BASE64, line[i]) != NULL)
        i++;
    return i;
}

/* How many bytes of a key stand there. 0: there is none. */
static size_t decode_key(const char *line, size_t n,
                         uint8_t bytes[LONG + 1]) { /* '=' is one, too */
    size_t digits = count_base64(line, n);
    bool is_long = n == LONG_TEXT && digits == n - 1 && line[digits] == '=';

    if (!is_long && (n != SHORT_TEXT || digits != n))
        return 0;
    return EVP_DecodeBlock(bytes, (const unsigned char *)line, (int)n) < 0 ? 0
           : is_long                                                       ? LONG
                                                                           : SHORT;
}

/* The new one is the last; the oldest goes. */
static void push_key(struct ticket_keys *keys, const uint8_t *bytes, size_t n) {
    struct ticket_key key = {.size = n == LONG ? 32 : 16};

    memcpy(key.name, bytes, TICKET_NAME_SIZE);
    memcpy(key.cipher, bytes + TICKET_NAME_SIZE, key.size);
    memcpy(key.mac, bytes + TICKET_NAME_SIZE + key.size, key.size);
    memmove(&keys->list[0], &keys->list[1], (TICKET_KEYS - 1) * sizeof(key));
    keys->list[TICKET_KEYS - 1] = key;
    explicit_bzero(&key, sizeof(key));
}

/* Of a line that is no key: where it goes wrong. */
static size_t find_wrong_character(const char *line, size_t n) {
    size_t digits = count_base64(line, n);

    return digits < n ? digits + 1 : n;
}

static bool read_key(struct lines *lines, const char *line, size_t n, struct ticket_keys *keys,
                     struct tls_problems *problems) {
    uint8_t bytes[LONG + 1];
    size_t size = decode_key(line, n, bytes);
    bool good = size != 0 && (lines->size == 0 || size == lines->size);

    if (good)
        push_key(keys, bytes, size);
    else if (size != 0)
        tls_tell(problems, TLS_WRONG,
                 "%s: line %zu is a key of %zu bytes, and those before have %zu; all must be of "
                 "one length",
                 lines->path, lines->number, size, lines->size);
    else if (n != LONG_TEXT && n != SHORT_TEXT)
        tls_tell(problems, TLS_WRONG,
                 "%s: line %zu has %zu characters; it must be a key of 80 bytes in base64 (108 "
                 "characters), as " COMMAND " makes it, or of 48 (64)",
                 lines->path, lines->number, n);
    else
        tls_tell(problems, TLS_WRONG,
                 "%s: line %zu is no base64 at its character %zu; it must be a key as " COMMAND
                 " makes it",
                 lines->path, lines->number, find_wrong_character(line, n));
    explicit_bzero(bytes, sizeof(bytes));
    lines->size = size;
    lines->keys++;
    return good;
}

static bool read_keys(const char *path, const char *text, size_t n, struct ticket_keys *keys,
                      struct tls_problems *problems) {
    struct lines lines = {.path = path, .at = text, .end = text + n};
    const char *line;

    while (next_key_line(&lines, &line, &n))
        if (n > 0 && !read_key(&lines, line, n, keys, problems))
            return false;
    if (lines.keys >= TICKET_KEYS)
        return true;
    tls_tell(problems, TLS_WRONG,
             "%s: there %s %zu key%s in it; it must have at least %d, each on a line, as " COMMAND
             " makes it: the last %d open tickets, the last but one makes them",
             path, lines.keys == 1 ? "is" : "are", lines.keys, lines.keys == 1 ? "" : "s",
             TICKET_KEYS, TICKET_KEYS);
    return false;
}

bool ticket_file_read(const char *path, struct ticket_keys *ret, struct tls_problems *problems) {
    struct ticket_keys keys = {.first = TICKET_KEYS - 2};
    char *text = malloc(FILE_MOST + 1);
    const char *kind = NULL;
    size_t n = 0;
    int r = text == NULL ? -ENOMEM : file_read(path, text, FILE_MOST + 1, &n, &kind);
    bool good = false;

    if (r < 0)
        pem_tell_unreadable(path, -r, kind, problems);
    else if (n > FILE_MOST)
        tls_tell(problems, TLS_WRONG, "%s: is larger than %d KiB", path, FILE_MOST >> 10);
    else
        good = read_keys(path, text, n, &keys, problems);
    if (good) {
        key_mode_check(path, "the keys of tickets", problems);
        *ret = keys;
    }
    if (text != NULL)
        explicit_bzero(text, FILE_MOST + 1);
    free(text);
    explicit_bzero(&keys, sizeof(keys));
    return good;
}
