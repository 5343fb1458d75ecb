#include "control/public.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/site.h"
#include "listen/listen_socket.h"

#define BACKLOG 128
#define CLIENTS 64u /* at once */

/* How long who has come to one site is answered, while the next has begun. */
#define MOVE_PATIENCE (200 * USEC_PER_MSEC)

struct public_site {
    struct site *site; /* has descriptors of its own of each socket */
    struct listen_socket sockets[SITE_SOCKETS_MOST];
    struct addr asked[SITE_SOCKETS_MOST];
    size_t n;
    char *written; /* its addresses, as in the file */
};

/* False: no memory. */
static bool find_hosts(const struct status_config *status, struct hosts *ret_hosts) {
    bool good = true;

    *ret_hosts = (struct hosts){.n = 0};
    for (size_t i = 0; i < status->n_address && good; i++)
        if (status->address[i].spec.form == ADDR_NAME)
            good = hosts_add(ret_hosts, status->address[i].spec.name);
    if (!good)
        hosts_free(ret_hosts);
    return good;
}

/* A socket that is open goes on. */
static bool take_open(struct public_site *site, struct public_site *before,
                      const struct status_place *place) {
    for (size_t i = 0; before != NULL && i < before->n; i++) {
        struct listen_socket *open = &before->sockets[i];

        if (open->fd < 0 || !addr_equal(&before->asked[i], &place->addr) ||
            (addr_is_unix(&place->addr) && !listen_socket_has_file(open)))
            continue;
        site->sockets[site->n] = *open;
        site->asked[site->n++] = place->addr;
        open->fd = -1;
        open->unlink_path = NULL;
        return true;
    }
    return false;
}

/* The other way round, if the next one cannot be had. */
static void give_back(struct public_site *site, struct public_site *before) {
    for (size_t i = 0; before != NULL && i < before->n; i++)
        for (size_t k = 0; before->sockets[i].fd < 0 && k < site->n; k++)
            if (site->sockets[k].fd >= 0 && addr_equal(&before->asked[i], &site->asked[k])) {
                before->sockets[i] = site->sockets[k];
                site->sockets[k].fd = -1;
                site->sockets[k].unlink_path = NULL;
            }
}

/* 0 or -errno. */
static int open_place(struct public_site *site, const struct status_place *place) {
    const struct listen_wish wish = {.address = place->address,
                                     .any = place->any,
                                     .addr = place->addr,
                                     .v6only = place->address->spec.form == ADDR_NAME};
    struct listen_socket *socket = &site->sockets[site->n];
    int r = listen_socket_open(socket, &wish, false);

    if (r < 0)
        return r;
    site->asked[site->n++] = place->addr;
    return listen(socket->fd, BACKLOG) < 0 ? -errno : 0;
}

/* False: *ret_what is a finished sentence, or NULL: no memory. */
static bool open_places(struct public_site *site, struct public_site *before,
                        const struct status_config *status, char **ret_what) {
    *ret_what = NULL;
    for (size_t i = 0; i < status->n_places; i++) {
        const struct status_place *place = &status->places[i];
        const struct listen_wish wish = {.address = place->address};
        int r = -ENFILE;

        if (site->n < SITE_SOCKETS_MOST)
            r = take_open(site, before, place) ? 0 : open_place(site, place);
        if (r < 0) {
            *ret_what = listen_wish_complaint(&wish, -r, NULL, NULL);
            return false;
        }
    }
    return true;
}

static void close_places(struct public_site *site) {
    for (size_t i = 0; i < site->n; i++)
        listen_socket_close(&site->sockets[i]);
    free(site->written);
    free(site);
}

/* The site closes its descriptors, and a socket may go on in the next one. */
static bool start_public(struct public_site *site, struct relay *relay,
                         const struct status_config *status, time_t since) {
    struct site_wish wish = {
        .thread = "status", .relay = relay, .since = since, .open = true, .most = CLIENTS};
    int fds[SITE_SOCKETS_MOST];
    size_t n = 0;

    if (!find_hosts(status, &wish.hosts))
        return false;
    while (n < site->n && (fds[n] = fcntl(site->sockets[n].fd, F_DUPFD_CLOEXEC, 0)) >= 0)
        n++;
    if (n == site->n) {
        site->site = site_start(fds, n, &wish);
        return site->site != NULL;
    }
    while (n > 0)
        (void)close(fds[--n]);
    hosts_free(&wish.hosts);
    return false;
}

/* NULL: no memory. The caller frees it. */
static char *join_addresses(const struct status_config *status) {
    char *text = strdup(""), *longer;

    for (size_t i = 0; i < status->n_address && text != NULL; i++) {
        longer = NULL;
        if (asprintf(&longer, "%s %s", text, status->address[i].text) < 0)
            longer = NULL;
        free(text);
        text = longer;
    }
    return text;
}

static bool is_open_so(const struct public_site *site, const struct status_config *status,
                       const char *written) {
    if (site == NULL || !status->given)
        return site == NULL && !status->given;
    bool same = site->n == status->n_places && strcmp(site->written, written) == 0;
    for (size_t i = 0; same && i < site->n; i++)
        same = addr_equal(&site->asked[i], &status->places[i].addr) &&
               (!addr_is_unix(&site->asked[i]) || listen_socket_has_file(&site->sockets[i]));
    return same;
}

/* Opens all, or nothing and *ret_what says why. Takes written. */
static struct public_site *open_public(struct public_site *before, struct relay *relay,
                                       const struct status_config *status, time_t since,
                                       char *written, char **ret_what) {
    struct public_site *site = calloc(1, sizeof(*site));

    *ret_what = NULL;
    if (site == NULL) {
        free(written);
        return NULL;
    }
    site->written = written;
    if (open_places(site, before, status, ret_what) && start_public(site, relay, status, since))
        return site;
    give_back(site, before);
    close_places(site);
    return NULL;
}

static void close_public(struct public_site *site, usec_t patience) {
    if (site == NULL)
        return;
    site_stop(site->site, patience);
    close_places(site);
}

bool public_use(struct public_site **site, struct relay *relay, const struct config *config,
                time_t since, char *ret_why, size_t size) {
    const struct status_config *status = &config->status;
    char *written = join_addresses(status), *what = NULL;

    snprintf(ret_why, size, "There is no memory for the status section.");
    if (written == NULL)
        return false;
    if (is_open_so(*site, status, written)) {
        free(written);
    } else if (status->given) {
        struct public_site *opened = open_public(*site, relay, status, since, written, &what);

        if (opened == NULL && what != NULL)
            snprintf(ret_why, size, "%s", what);
        free(what);
        if (opened == NULL)
            return false;
        close_public(*site, MOVE_PATIENCE);
        *site = opened;
    } else {
        free(written);
        public_close(*site);
        *site = NULL;
    }
    if (*site != NULL)
        site_show_clients((*site)->site, status->clients);
    return true;
}

size_t public_descriptors(const struct config *config) {
    const struct status_config *status = &config->status;
    size_t n = status->n_places > status->n_address ? status->n_places : status->n_address;

    return status->given ? n + site_descriptors(n, CLIENTS) : 0; /* each socket twice */
}

void public_close(struct public_site *site) {
    close_public(site, 0);
}
