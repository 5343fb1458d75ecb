/* The table that a process which died has left: whatever stands in it, opening it and looking at it
 * is safe, at listening sockets and connections alike; and it is opened only if it has the size
 * that it says. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "handover/sound.h"
#include "handover/crash.h"

#define SLOTS 3

static void look_at_listener(const struct listen_description *listener) {
    char text[ADDR_TEXT_MAX];

    if (listener_is_sound(listener))
        CHECK(strlen(addr_format(&listener->addr, text, sizeof(text))) < sizeof(text));
}

static void look(struct table *table) {
    usec_t now = clock_now();
    uint32_t slot;
    size_t n = 0;

    CHECK(table->n == SLOTS);
    for (size_t i = 0; i < KEEPER_LISTENERS_MAX; i++)
        look_at_listener(&table->head->listeners[i]);
    (void)crash_is_often(table->head->crashes, now);
    for (size_t i = 0; i < table->n; i++) {
        (void)state_is_sound(&table->states[i]);
        (void)crash_is_often(table->states[i].crashes, now);
    }
    CHECK(table_enlarge(&table, SLOTS + 1) == 0);
    CHECK(table->n == SLOTS + 1 && table->head->n_slots == SLOTS + 1);
    table_begin(table);
    while (table_take(table, false, &slot) == 0)
        n++;
    CHECK(n == SLOTS + 1);
    table_free(table);
}

/* The input changes bytes: a place in three, a value, and so on. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct table *table;

    CHECK(table_new(SLOTS, &table) == 0);
    char *memory = (char *)table->head;
    for (size_t i = 0; i + 4 <= n; i += 4)
        memory[((size_t)bytes[i] << 16 | (size_t)bytes[i + 1] << 8 | bytes[i + 2]) % table->size] =
            (char)bytes[i + 3];
    int fd = dup(table->fd);
    CHECK(fd >= 0);
    table_free(table);
    int r = table_open(&fd, &table);
    CHECK(r == 0 || r == -EPROTO);
    if (r == 0)
        look(table);
    else
        fd_close(&fd);
    return 0;
}
