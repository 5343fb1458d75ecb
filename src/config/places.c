#include "config/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

bool places_add(struct places *places, const char *path, int before) {
    struct place_file *list =
        grow_list(places->list, places->n, &places->room, sizeof(*places->list));
    char *copy = strdup(path);

    if (list != NULL)
        places->list = list;
    if (list == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    places->list[places->n++] = (struct place_file){copy, before};
    return true;
}

bool places_add_all(struct places *places, const struct places *from) {
    for (size_t i = 0; i < from->n; i++)
        if (!places_add(places, from->list[i].path, from->list[i].before))
            return false;
    return true;
}

void places_free(struct places *places) {
    for (size_t i = 0; i < places->n; i++)
        free(places->list[i].path);
    free(places->list);
    *places = (struct places){0};
}

static const struct place_file *find_file(const struct places *places, int line) {
    size_t low = 0, high = places->n;

    CHECK(places->n > 0);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (places->list[middle].before < line)
            low = middle;
        else
            high = middle;
    }
    return &places->list[low];
}

const char *places_find(const struct places *places, int line, int *ret_line) {
    const struct place_file *file = find_file(places, line);

    *ret_line = line - file->before;
    return file->path;
}

const char *places_say(const struct places *places, int here, int line, char *buf) {
    const struct place_file *file = find_file(places, line);
    bool elsewhere = file != find_file(places, here);

    snprintf(buf, PLACES_TEXT_MAX, "line %d%s%s", line - file->before, elsewhere ? " of " : "",
             elsewhere ? file->path : "");
    return buf;
}
