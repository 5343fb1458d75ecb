#include "names/names_say.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* For messages: a full name without the "." at its end. */
static const char *shown_name(const char *name, char buf[ADDR_NAME_MAX + 1]) {
    size_t length = strlen(name);

    snprintf(buf, ADDR_NAME_MAX + 1, "%.*s", (int)(length > 1 ? length - 1 : length), name);
    if (length > 1 && name[length - 1] != '.')
        snprintf(buf, ADDR_NAME_MAX + 1, "%s", name);
    return buf;
}

static bool is_only_target(const struct host *host) {
    const struct wish *wish;

    LIST_FOREACH(wish, &host->wishes, entry)
        if (!wish->of_service)
            return false;
    return true;
}

static const char *consequence_for(const struct host *host) {
    bool known = host->family[FAMILY_IPV4].n + host->family[FAMILY_IPV6].n > 0;

    if (is_only_target(host))
        return known && !host_is_absent(host) ? "The last good addresses stay in use."
                                              : "Its service goes on without it.";
    return known ? "The last good addresses stay in use."
                 : "Connections to it fail until it can; it is tried again.";
}

static void say_family(const struct log_field *owner, const struct host *host,
                       enum family_kind kind, const char *label) {
    const struct family *family = &host->family[kind];
    char name[ADDR_NAME_MAX + 1];

    log_msg_with(MSG_RESOLVE_FAILED, owner, "The %s addresses of %s cannot be looked up: %s. %s",
                 label, shown_name(host->name, name), family->why,
                 family->n > 0 ? "The last good ones stay in use."
                               : "The others are used meanwhile.");
}

static void say_host(const struct log_field *owner, struct host *host) {
    enum host_trouble trouble = host_trouble(host);
    char name[ADDR_NAME_MAX + 1];

    bool again = host->say_again && host->family[FAMILY_IPV4].asked < 0 &&
                 host->family[FAMILY_IPV6].asked < 0;

    if (trouble == host->said && !again)
        return;
    host->said = trouble;
    host->say_again = false;
    if (trouble == HOST_IPV4_FAILS)
        say_family(owner, host, FAMILY_IPV4, "IPv4");
    else if (trouble == HOST_IPV6_FAILS)
        say_family(owner, host, FAMILY_IPV6, "IPv6");
    else if (trouble != HOST_FINE)
        log_msg_with(MSG_RESOLVE_FAILED, owner, "The name %s cannot be looked up: %s. %s",
                     shown_name(host->name, name), host_why(host), consequence_for(host));
}

/* Whether all of it can be looked up. */
static bool say_service(const struct log_field *owner, struct service *service) {
    bool fails = service->state == FAMILY_NONE || service->state == FAMILY_FAILED, any = fails;

    if (fails && (service->said != service->state || (service->say_again && !service->asked)))
        log_msg_with(MSG_RESOLVE_FAILED, owner, "The name %s cannot be looked up: %s. %s",
                     service->name, service->why,
                     service->n_targets > 0
                         ? "Its last good targets stay in use."
                         : "Connections to it fail until it can; it is tried again.");
    service->say_again = service->say_again && service->asked;
    service->said = fails ? service->state : FAMILY_FOUND;
    for (size_t i = 0; i < service->n_targets; i++) {
        say_host(owner, service->targets[i].host);
        any = any || service->targets[i].host->said != HOST_FINE;
    }
    return !any;
}

void name_say_trouble(struct name *name) {
    bool fine = true;

    if (name->service != NULL)
        fine = say_service(name->owner, name->service);
    if (name->host != NULL) {
        say_host(name->owner, name->host);
        fine = name->host->said == HOST_FINE;
    }
    if (!fine)
        name->failing = true;
    else if (name->failing) {
        name->failing = false;
        name->unsaid = true;
    }
}

/* Not before all of it was looked up once: more will come. */
static bool is_name_whole(const struct name *name) {
    return name->host != NULL ? host_is_settled(name->host) : service_is_settled(name->service);
}

void name_say_resolved(struct name *name) {
    char text[ADDR_TEXT_MAX], all[LOG_TEXT_MAX / 2];
    size_t used = 0, i = 0;

    if (!name->unsaid || name->last.n == 0 || atomic_load(&name->names->retired) ||
        !is_name_whole(name))
        return;
    name->unsaid = false;
    for (; i < name->last.n && used + ADDR_TEXT_MAX < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "",
                                 addr_format(&name->last.list[i].addr, text, sizeof(text)));
    if (i < name->last.n)
        snprintf(all + used, sizeof(all) - used, " and %zu more", name->last.n - i);
    log_msg_with(MSG_RESOLVED, name->owner, "The name %s resolves to %s.", name->spec.name, all);
}

void name_say_cut(struct name *name, size_t found) {
    bool cut = found > ENDPOINTS_MOST;

    if (cut && !name->cut_said && !atomic_load(&name->names->retired))
        log_msg_with(
            MSG_NAME_CUT, name->owner,
            "The name %s resolves to %zu addresses, of which %d are used, always the same ones: "
            "more are not taken of one name.",
            name->spec.name, found, ENDPOINTS_MOST);
    name->cut_said = cut;
}

void name_say_no_memory(const struct name *name) {
    log_msg(MSG_TROUBLE,
            "There is no memory for the addresses of %s: the previous ones stay in use.",
            name->spec.name);
}
