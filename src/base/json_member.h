/* Members of JSON objects, which need not be there: relayd of another version answers others. */
#ifndef BASE_JSON_MEMBER_H
#define BASE_JSON_MEMBER_H

#include <jansson.h>

/* The object's, and lives as long; none: what is said if it has no such text. */
static inline const char *member_text(const json_t *object, const char *name, const char *none) {
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : none;
}

/* What is no text is empty. */
static inline const char *json_words(const json_t *text) {
    return json_is_string(text) ? json_string_value(text) : "";
}

/* 0: it has no such number. */
static inline long long member_number(const json_t *object, const char *name) {
    return (long long)json_integer_value(json_object_get(object, name));
}

#endif
