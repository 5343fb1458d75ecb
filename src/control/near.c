#include "control/near.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DESCRIPTORS "/proc/self/fd"

/* Without opening the folder, if the kernel knows (6.2). */
static size_t count_descriptors(void) {
    struct stat st;
    size_t n = 0;

    if (stat(DESCRIPTORS, &st) == 0 && st.st_size > 0)
        return (size_t)st.st_size;
    DIR *folder = opendir(DESCRIPTORS);
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n > 3 ? n - 3 : 0; /* ".", "..", its own */
}

struct fill fill_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return (struct fill){.taken = count_descriptors(), .most = SIZE_MAX};
    return (struct fill){.taken = count_descriptors(), .most = (size_t)limit.rlim_cur};
}

struct fill fill_openings(const struct question *question) {
    return (struct fill){
        .taken = openings_count(&question->relay->road.openings),
        .most = (size_t)question->generation->config->global.max_openings,
    };
}

struct fill fill_queue(const struct question *question) {
    return (struct fill){
        .taken = queue_count(&question->relay->road.queue),
        .most = (size_t)question->generation->config->global.queue_size,
    };
}

struct fill fill_slots(const struct question *question) {
    const struct link *link = relay_link(question->relay);
    struct fill fill = {.most = SIZE_MAX};

    if (link != NULL)
        table_count(link->table, &fill.taken, &fill.most);
    return fill;
}

static bool is_near(struct fill fill) {
    return fill.most != SIZE_MAX && fill.taken > 0 &&
           (double)fill.taken * 100 >= (double)fill.most * NEAR_PARTS;
}

static void add_near(json_t **list, struct fill fill, const char *what, const char *limit) {
    char sentence[CONFIG_NAME_MAX + 160];

    if (!is_near(fill))
        return;
    snprintf(sentence, sizeof(sentence), "%zu of %zu %s are taken (%s).", fill.taken, fill.most,
             what, limit);
    json_add(list, json_string(sentence));
}

json_t *near_list(const struct question *question) {
    const struct generation *generation = question->generation;
    struct gate *gate = &question->relay->road.gate;
    json_t *list = json_array();

    add_near(&list, (struct fill){gate_live(gate), gate_max(gate)}, "connections",
             "max_connections");
    for (size_t i = 0; i < generation->config->n_listeners; i++) {
        char what[CONFIG_NAME_MAX + 32];

        snprintf(what, sizeof(what), "connections of listener %s",
                 generation->config->listeners[i].name);
        gate = &generation->limits[i]->gate;
        add_near(&list, (struct fill){gate_live(gate), gate_max(gate)}, what,
                 "its max_connections");
    }
    add_near(&list, fill_queue(question), "places in the queue", "queue_size");
    if (generation_count_opening(generation) > 0)
        add_near(&list, fill_openings(question), "openings", "max_openings");
    add_near(&list, fill_descriptors(), "descriptors", "LimitNOFILE");
    add_near(&list, fill_slots(question), "connections that the keeper can hold",
             "its table and descriptors");
    return list;
}
