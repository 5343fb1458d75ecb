/* CHECK() for bugs, and attributes by which gcc and clang check formats, locks and clean-up. Knows
 * nothing of relayd. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN               __attribute__((noreturn))
#define MUST_USE               __attribute__((warn_unused_result))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Only a bug can break it. On in release builds, too: systemd restarts a stopped daemon; a wrong
 * one corrupts data in silence. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))

/* Prints the condition on stderr and aborts. Any thread, any lock. */
NORETURN void check_failed(const char *cond, const char *file, int line);

#endif
