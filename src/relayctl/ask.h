/* Asks relayd: HTTP at its control socket. */
#ifndef RELAYCTL_ASK_H
#define RELAYCTL_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/check.h"

#define ASK_REFUSED 1 /* an exit status */

/* The command line. */
struct ask {
    const char *socket;
    bool json;
    bool reconnect; /* what goes on outlives relayd */
    bool quiet;     /* nothing is said on stderr if nobody answers */
    bool batch;     /* top: prints, */
    long rounds;    /* so often; 0: once */
    char **words;   /* after the command */
    size_t n_words;
    /* Options of some commands (enum command_option): */
    bool wait, reset, yes;
    const char *timeout, *span; /* --for; NULL: not given */
};

enum ask_method {
    ASK_GET,  /* changes nothing */
    ASK_POST, /* without a body: the arguments are in the path */
};

/* A request of libcurl (a CURL *) for this path at the socket, the caller's. NULL: no memory. */
void *ask_prepare(const char *socket, const char *path) MUST_USE;

/* EX_OK with an answer of *ret_status, which the caller frees; else says why not. */
int ask_page(const struct ask *ask, enum ask_method method, const char *path,
             struct buffer *ret_text, long *ret_status) MUST_USE;

/* What relayd answered with this status; NULL: no JSON. Says what is wrong with it: EX_OK,
 * ASK_REFUSED, or EX_UNAVAILABLE. */
int ask_judge(const char *socket, const json_t *json, long status);

/* As ask_page. An {"error": ...} is printed: ASK_REFUSED. ret_text: the same as it came, or NULL.
 * The caller frees both. */
int ask_json(const struct ask *ask, enum ask_method method, const char *path, json_t **ret_json,
             char **ret_text) MUST_USE;

/* EX_OK if the answer is known. Else says that it is that of another relayd: ASK_REFUSED. */
int ask_end(bool known);

/* What a page that is looked at answers; the caller frees it. NULL: no answer, or another one than
 * this page has. Says nothing but that nobody answers, and that unless ask->quiet. */
json_t *ask_look(const struct ask *ask, const char *path);

/* Says that nobody answers there. Returns EX_UNAVAILABLE. */
int ask_complain(const char *socket, const char *why);

/* "/connections?listener=web&client=10.0.0.0%2F8" of words "listener=web"; the caller frees it.
 * NULL: a word is not of this form, or there is no memory. */
char *ask_path(const char *page, char *const words[], size_t n);

#endif
