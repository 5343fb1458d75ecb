/* Calls for memory that fail, one at a time. Of a program that is linked with no_memory_wraps
 * (meson.build): its own calls and those of the library of relayd, not those of others. */
#ifndef UNIT_NO_MEMORY_H
#define UNIT_NO_MEMORY_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool armed;
    size_t left; /* calls before the one that fails */
    bool failed;
} no_memory;

/* The nth call from now on fails, counted from 0. */
static inline void no_memory_at(size_t nth) {
    no_memory.armed = true;
    no_memory.left = nth;
    no_memory.failed = false;
}

/* From now on none does. Returns whether one has failed. */
static inline bool no_memory_over(void) {
    no_memory.armed = false;
    return no_memory.failed;
}

static inline bool is_out_of_memory(void) {
    if (!no_memory.armed || no_memory.left-- > 0)
        return false;
    no_memory.armed = false;
    no_memory.failed = true;
    errno = ENOMEM;
    return true;
}

#define WRAP(type, name, parameters, ...)                                                          \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        return is_out_of_memory() ? NULL : __real_##name(__VA_ARGS__);                             \
    }

WRAP(void *, malloc, (size_t n), n)
WRAP(void *, calloc, (size_t n, size_t size), n, size)
WRAP(void *, realloc, (void *before, size_t n), before, n)
WRAP(void *, reallocarray, (void *before, size_t n, size_t size), before, n, size)
WRAP(char *, strdup, (const char *text), text)
WRAP(char *, strndup, (const char *text, size_t n), text, n)
WRAP(FILE *, open_memstream, (char **text, size_t *size), text, size)

#undef WRAP

/* _chk: of a build with _FORTIFY_SOURCE. */
int __wrap_vasprintf(char **text, const char *format, va_list values);
int __wrap_asprintf(char **text, const char *format, ...);
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list values);
int __wrap___asprintf_chk(char **text, int flag, const char *format, ...);
int __real_vasprintf(char **text, const char *format, va_list values);

__attribute__((format(printf, 2, 0))) int __wrap_vasprintf(char **text, const char *format,
                                                           va_list values) {
    return is_out_of_memory() ? -1 : __real_vasprintf(text, format, values);
}

__attribute__((format(printf, 3, 0))) int
__wrap___vasprintf_chk(char **text, int flag, const char *format, va_list values) {
    (void)flag;
    return __wrap_vasprintf(text, format, values);
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **text, const char *format, ...) {
    va_list values;

    va_start(values, format);
    int n = __wrap_vasprintf(text, format, values);
    va_end(values);
    return n;
}

__attribute__((format(printf, 3, 4))) int __wrap___asprintf_chk(char **text, int flag,
                                                                const char *format, ...) {
    va_list values;

    (void)flag;
    va_start(values, format);
    int n = __wrap_vasprintf(text, format, values);
    va_end(values);
    return n;
}

#endif
