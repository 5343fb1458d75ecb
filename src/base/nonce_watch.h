/* Watches that no nonce seals two plaintexts under one key: over all processes that share a file,
 * so over kills and restarts, too. In a build with -Dkill_points=true, as tests have it, and where
 * the environment says RELAYD_NONCES=FILE; in others the macros are nothing.
 *
 * What counts is what leaves: a record may be sealed, its process killed before a byte of it was
 * sent, and another one be sealed in its place. So each thread notes what it seals, and whoever
 * sends says so before.
 *
 * The file is made by the test, with a head of NONCE_WATCH_HEAD bytes: its magic (8 bytes), the
 * number of slots (4: a power of 2), and zeros; then zeros, 16 bytes for each slot. Numbers are in
 * the order of this machine. What the head tells of, then: struct nonce_file in nonce_watch.c. */
#ifndef BASE_NONCE_WATCH_H
#define BASE_NONCE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/kill_point.h"

#define NONCE_WATCH_MAGIC 0x45434e4f4e594c52ULL /* RLYNONCE */
#define NONCE_WATCH_HEAD  64
#define NONCE_WATCH_PENDING                                                                        \
    64 /* records of a thread that have not left; more of them count at once */

/* One record that was sealed, or is about to be. */
struct nonce_use {
    const void *key;
    size_t n_key;
    const uint8_t *nonce; /* all of it, 12 bytes */
    uint64_t sequence;    /* what is sealed besides the plaintext has it, or may */
    uint8_t content;
    const void *plain;
    size_t n;
};

#define NONCE_SEALED(...)                                                                          \
    (KILL_POINTS ? nonce_watch_sealed(&(struct nonce_use){__VA_ARGS__}) : (void)0)
#define NONCES_LEAVE() (KILL_POINTS ? nonce_watch_leave() : (void)0)

/* Maps the file that the environment names, if any. False: a line on stderr says why. At the
 * start, before there are threads. */
bool nonce_watch_open(void) MUST_USE;

/* This thread has sealed it; of two with one nonce, that have not left, the last one counts. */
void nonce_watch_sealed(const struct nonce_use *use);

/* This thread is about to send what it has sealed. Aborts, after a line on stderr and a note in
 * the file, where a nonce has left before with something else. */
void nonce_watch_leave(void);

#endif
