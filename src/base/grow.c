#include "base/grow.h"

#include <stdlib.h>

#define ROOM_FIRST 8

void *grow_list(void *list, size_t n, size_t *room, size_t size) {
    size_t more = *room > 0 ? *room * 2 : ROOM_FIRST;

    if (n < *room)
        return list;
    void *bigger = reallocarray(list, more, size);
    if (bigger != NULL)
        *room = more;
    return bigger;
}
