#include "upstream/tries.h"

void tries_note(struct tries *tries, const struct member *member, bool hurried) {
    if (tries->n < TRIES_MOST)
        tries->list[tries->n++] = (struct tried){
            .member = member, .hurried = hurried, .proven = member_is_proven(member)};
}

bool tries_include(const struct tries *tries, const struct member *member) {
    for (size_t i = 0; i < tries->n; i++)
        if (tries->list[i].member == member)
            return true;
    return false;
}

bool tries_any_hurried(const struct tries *tries) {
    for (size_t i = 0; i < tries->n; i++)
        if (tries->list[i].hurried)
            return true;
    return false;
}
