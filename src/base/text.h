/* Words and numbers as operators write and read them. Pure; any thread. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"

/* "250ms", "5s", "10m", "1h"; a bare number is seconds. False, *ret untouched: anything
 * else, negative, fractional or beyond 2^62 microseconds. */
bool text_parse_duration(const char *text, usec_t *ret) MUST_USE;

/* In the largest exact unit: 600000000 -> "10m"; "0" for 0. Returns buf. */
const char *text_format_duration(usec_t t, char *buf, size_t size);

/* Local time of a moment of clock_now(): "12:00:31". Returns buf. */
const char *text_format_moment(usec_t moment, char *buf, size_t size);

/* The day of a moment of the wall clock, in UTC: "2026-11-29". Returns buf. */
const char *text_format_day(int64_t seconds, char *buf, size_t size);

/* Decimal digits, with an optional k, M or G (of 1024). False, *ret untouched: anything else. */
bool text_parse_size(const char *text, int64_t *ret) MUST_USE;

/* Decimal digits alone. False, *ret untouched: anything else. */
bool text_parse_number(const char *text, int64_t *ret) MUST_USE;

/* For people: "0.3 ms", "12.4 s", "2 h 5 min"; "77 bytes", "1.4 MB". Return buf. */
const char *text_human_time(usec_t t, char *buf, size_t size);
const char *text_human_bytes(uint64_t n, char *buf, size_t size);

/* The largest units, at most so many: "3 d 4 h". Returns buf. */
const char *text_human_age(int64_t seconds, size_t units, char *buf, size_t size);

/* What is left of a span, to the nearest of its largest unit: 599 is "10 min". Returns buf. */
const char *text_human_left(int64_t seconds, char *buf, size_t size);

/* Removes what a cut has left of the last character in UTF-8. */
void text_trim(char *text);

/* Cuts what does not fit, between characters. */
void text_append(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* How many bytes of it stand before this end; 0: it does not end so, or is nothing else. */
size_t text_before_end(const char *text, const char *end);

/* How many letters to insert, remove, replace or swap with a neighbour. Different words of more
 * than 64 letters: the longer's length. */
unsigned text_distance(const char *a, const char *b);

/* "/run/./a" and "/run//a" are /run/a. (What ".." leads to depends on symbolic links.) ret has room
 * for the path. Returns its length. */
size_t text_plain_path(const char *path, char *ret);

/* This path is the folder's, or of something in it: /tmp/a is below /tmp and /tmp/, /tmpfoo is
 * not. */
bool text_is_below(const char *path, const char *folder);

#endif
