/* Points at which a process kills itself, so that a test can have it die between any two of its
 * steps: kill_points.def names them. In a build with -Dkill_points=true, as tests have it; in
 * others the macros are nothing.
 *
 * RELAYD_KILL_AT=NAME:COUNT[,...] in the environment: SIGKILL when a thread passes the point of
 * this name, and it is the COUNT-th time that any thread does; the first one that comes true.
 * `any` is every point, of both directions. RELAYD_SHORT_SENDS=N: see SHORT_SEND. */
#ifndef BASE_KILL_POINT_H
#define BASE_KILL_POINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#ifdef RELAYD_KILL_POINTS
#define KILL_POINTS 1
#else
#define KILL_POINTS 0
#endif

enum kill_point {
#define KILL(name, word, ways, help) KILL_##name,
#include "base/kill_points.def"
#undef KILL
    KILL_COUNT
};

/* Passes a point that there is one of; or that each direction has: 0 is up, 1 is down. */
#define KILL_POINT(name)          (KILL_POINTS ? kill_point_pass(KILL_##name, 0) : (void)0)
#define KILL_POINT_DIR(name, dir) (KILL_POINTS ? kill_point_pass(KILL_##name, (dir)) : (void)0)

/* How many of n bytes to send, or to discard, by the next call: all, or with RELAYD_SHORT_SENDS
 * that many at most, so that a test has steps that are half done. */
#define SHORT_SEND(n) (KILL_POINTS ? kill_point_shorten(n) : (n))

/* As the environment says. False: it is wrong, and a line on stderr says why. At the start, before
 * there are threads. */
bool kill_point_arm(void) MUST_USE;

/* Called before the death that a test has asked for. At the start, before a point is passed. */
void kill_point_at_death(void (*call)(void));

/* What the macros call, from any thread. Nothing is armed: two loads. */
void kill_point_pass(enum kill_point point, unsigned dir);
size_t kill_point_shorten(size_t n);

#endif
