#include "daemon/rights.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/interface.h"
#include "base/scope.h"
#include "base/text.h"
#include "daemon/bus.h"

#define PATIENCE         (2 * USEC_PER_SEC)
#define UNIT             "relayd.service"
#define CAP_NET_BIND     10   /* CAP_NET_BIND_SERVICE, capabilities(7) */
#define PRIVILEGED_PORTS 1024 /* ip(7), unless the sysctl below says otherwise */
#define GROUPS_MOST      256  /* of a user, that are looked at */
#define NO_FOLDER        "this user may not write there, or there is no such directory"

/* What relayd.service lets relayd do, as systemd.exec(5) has it. */
struct sandbox {
    bool low_ports, private_tmp, protect_home, strict;
    bool may_change_owner; /* its filter lets the system call through */
    char **writable;       /* paths that are, although it is strict */
    char **runtime;        /* the same, below /run */
    char *user;            /* "": root */
    char *group;           /* "": the user's */
    char **groups;         /* more of them */
};

struct rights {
    const struct config *config;
    const struct sandbox *sandbox; /* NULL: this process's count */
    unsigned first_free_port;      /* that everybody may listen on */
    config_warning_fn *on_warning;
    void *arg;
};

static bool get_unit_flag(struct bus *bus, const char *unit, const char *property) {
    int value = 0; /* sd_bus_message_read_basic(3): a boolean is an int */

    return bus_get(bus, unit, BUS_SYSTEMD ".Service", property, 'b', &value) && value != 0;
}

static bool has_unit_capability(struct bus *bus, const char *unit, const char *property) {
    uint64_t set = 0;

    return bus_get(bus, unit, BUS_SYSTEMD ".Service", property, 't', &set) &&
           (set >> CAP_NET_BIND & 1) != 0;
}

/* Whether a property is a text other than "" and these two. */
static bool is_unit_choice(struct bus *bus, const char *unit, const char *property, const char *no,
                           const char *neither) {
    char *text = NULL;
    bool is = bus_get_text(bus, unit, BUS_SYSTEMD ".Service", property, &text) && text[0] != '\0' &&
              strcmp(text, no) != 0 && strcmp(text, neither) != 0;

    free(text);
    return is;
}

static void free_texts(char **texts) {
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        free(texts[i]);
    free(texts);
}

/* What is denied may have an error number after it: fchownat:EACCES. */
static bool is_call(const char *name, const char *call) {
    size_t n = strlen(call);

    return strncmp(name, call, n) == 0 && (name[n] == '\0' || name[n] == ':');
}

static bool may_unit_call(struct bus *bus, const char *unit, const char *call) {
    char **names = NULL;
    bool allow = false, listed = false;

    if (!bus_get_filter(bus, unit, BUS_SYSTEMD ".Service", "SystemCallFilter", &allow, &names))
        return true; /* nobody knows */
    for (size_t i = 0; names != NULL && names[i] != NULL && !listed; i++)
        listed = is_call(names[i], call);
    free_texts(names);
    return listed == allow;
}

/* In a user namespace of its own, a capability has no power over the network, which is not that
 * namespace's. */
static void ask_sandbox(struct bus *bus, const char *unit, struct sandbox *sandbox) {
    bool user = is_unit_choice(bus, unit, "User", "root", "0");

    sandbox->low_ports =
        has_unit_capability(bus, unit, user ? "AmbientCapabilities" : "CapabilityBoundingSet") &&
        !get_unit_flag(bus, unit, "PrivateUsers");
    sandbox->may_change_owner = may_unit_call(bus, unit, "fchownat"); /* base/socket_file.c */
    sandbox->private_tmp = get_unit_flag(bus, unit, "PrivateTmp");
    sandbox->protect_home = is_unit_choice(bus, unit, "ProtectHome", "no", "read-only");
    sandbox->strict = is_unit_choice(bus, unit, "ProtectSystem", "no", "yes") &&
                      is_unit_choice(bus, unit, "ProtectSystem", "full", "full");
    sandbox->writable = bus_get_texts(bus, unit, BUS_SYSTEMD ".Service", "ReadWritePaths");
    sandbox->runtime = bus_get_texts(bus, unit, BUS_SYSTEMD ".Service", "RuntimeDirectory");
    sandbox->groups = bus_get_texts(bus, unit, BUS_SYSTEMD ".Service", "SupplementaryGroups");
    if (!bus_get_text(bus, unit, BUS_SYSTEMD ".Service", "User", &sandbox->user))
        sandbox->user = NULL;
    if (!bus_get_text(bus, unit, BUS_SYSTEMD ".Service", "Group", &sandbox->group))
        sandbox->group = NULL;
}

/* False: it is not installed, or nobody tells. */
static bool find_sandbox(struct sandbox *ret_sandbox) {
    char *unit = NULL, *state = NULL;
    struct bus bus;
    bool found = false;

    if (!bus_open(&bus, clock_now() + PATIENCE))
        return false;
    unit = bus_find_by_name(&bus, "LoadUnit", UNIT);
    if (unit != NULL && bus_get_text(&bus, unit, BUS_SYSTEMD ".Unit", "LoadState", &state))
        found = strcmp(state, "loaded") == 0;
    if (found)
        ask_sandbox(&bus, unit, ret_sandbox);
    found = found && clock_now() < bus.deadline; /* all questions were answered */
    free(unit);
    free(state);
    bus_close(&bus);
    return found;
}

/* Of a list of systemd's, whose paths may have a prefix of their own. */
static bool is_below_any(const char *path, const char *root, char *const *folders) {
    char folder[512];

    for (size_t i = 0; folders != NULL && folders[i] != NULL; i++) {
        const char *name = folders[i] + strspn(folders[i], "-+");

        snprintf(folder, sizeof(folder), "%s%s", root, name);
        if (text_is_below(path, folder))
            return true;
    }
    return false;
}

static bool is_in_private_tmp(const struct sandbox *sandbox, const char *path) {
    return sandbox->private_tmp && (text_is_below(path, "/tmp") || text_is_below(path, "/var/tmp"));
}

static bool is_hidden_home(const struct sandbox *sandbox, const char *path) {
    return sandbox->protect_home && (text_is_below(path, "/home") || text_is_below(path, "/root") ||
                                     text_is_below(path, "/run/user"));
}

/* Why a unix socket is of no use there, or NULL. */
static const char *find_path_fault(const struct sandbox *sandbox, const char *path, bool listens) {
    if (is_in_private_tmp(sandbox, path))
        return UNIT " has a /tmp of its own, in which nobody else finds it (PrivateTmp=)";
    if (is_hidden_home(sandbox, path))
        return UNIT " does not see that directory (ProtectHome=)";
    if (listens && sandbox->strict && !is_below_any(path, "/run/", sandbox->runtime) &&
        !is_below_any(path, "", sandbox->writable))
        return UNIT
            " may not write there (ProtectSystem=strict): use /run/relayd, or add "
            "ReadWritePaths=";
    return NULL;
}

static unsigned read_first_free_port(void) {
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    unsigned port = PRIVILEGED_PORTS;

    if (file == NULL)
        return port;
    if (fscanf(file, "%u", &port) != 1)
        port = PRIVILEGED_PORTS;
    fclose(file);
    return port;
}

/* Tried out where it disturbs nobody: the same right is needed for UDP, which nothing here listens
 * on. */
static bool may_take_port(unsigned port) {
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool may = fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno != EACCES;

    fd_close(&fd);
    return may;
}

PRINTF_LIKE(4, 5)
static void warn_of_address(const struct rights *rights, int line, const char *address,
                            const char *fmt, ...) {
    char why[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    config_warn_of(rights->config, line, rights->on_warning, rights->arg, "address %s: %s", address,
                   why);
}

static void check_port(const struct rights *rights, int line,
                       const struct listen_address *address) {
    unsigned port = address->spec.port;

    if (port == 0 || port >= rights->first_free_port)
        return;
    if (rights->sandbox != NULL && !rights->sandbox->low_ports)
        warn_of_address(
            rights, line, address->text,
            UNIT
            " may not listen on port %u: it needs AmbientCapabilities=CAP_NET_BIND_SERVICE "
            "and PrivateUsers=no",
            port);
    else if (rights->sandbox == NULL && !may_take_port(port))
        warn_of_address(rights, line, address->text,
                        "this user may not listen on port %u, which needs CAP_NET_BIND_SERVICE",
                        port);
}

/* Interfaces come and go: it is no error. */
static void check_interface(const struct rights *rights, int line, const char *text,
                            const struct addr *addr, const char *what_then) {
    const char *name = scope_name(addr);

    if (name != NULL && interface_index(name) == 0)
        warn_of_address(rights, line, text, "there is no network interface %s now; %s", name,
                        what_then);
}

static void check_unix_path(const struct rights *rights, int line, const char *text,
                            const struct addr_spec *spec, bool listens) {
    const char *why = NULL;

    if (rights->sandbox != NULL && spec->form == ADDR_LITERAL && addr_is_unix(&spec->addr))
        why = find_path_fault(rights->sandbox, spec->addr.u.un.sun_path, listens);
    if (why != NULL)
        warn_of_address(rights, line, text, "%s", why);
}

/* Whether this process may make a file there. */
static bool may_write_beside(const char *path) {
    char folder[512];
    int n = (int)(strrchr(path, '/') - path);

    snprintf(folder, sizeof(folder), "%.*s", n > 0 ? n : 1, path);
    return access(folder, W_OK | X_OK) == 0;
}

/* relayctl's socket, where it is no default: without it relayd does not start. */
static void check_control(const struct rights *rights) {
    const struct global_config *global = &rights->config->global;
    const char *why = NULL;

    if (global->control[0] != '/')
        return;
    if (rights->sandbox != NULL)
        why = find_path_fault(rights->sandbox, global->control, true);
    else if (!may_write_beside(global->control))
        why = NO_FOLDER;
    if (why != NULL)
        config_warn_of(rights->config, global->control_line, rights->on_warning, rights->arg,
                       "control %s: %s", global->control, why);
}

static bool is_group(const char *name, uint32_t gid) {
    const struct group *found = name != NULL && name[0] != '\0' ? getgrnam(name) : NULL;
    char number[16];

    snprintf(number, sizeof(number), "%u", (unsigned)gid);
    return found != NULL ? found->gr_gid == gid : name != NULL && strcmp(name, number) == 0;
}

/* Whether the user of the service may do what socket_user and socket_group ask for (chown(2)). */
static bool sandbox_may_give(const struct sandbox *sandbox, const struct socket_access *access) {
    gid_t groups[GROUPS_MOST];
    int n = GROUPS_MOST;
    const struct passwd *user =
        sandbox->user != NULL && sandbox->user[0] != '\0' ? getpwnam(sandbox->user) : NULL;

    if (user == NULL || user->pw_uid == 0)
        return true; /* root, or nobody knows */
    if (access->uid != SOCKET_FILE_OWN && access->uid != user->pw_uid)
        return false;
    if (access->gid == SOCKET_FILE_OWN || is_group(sandbox->group, access->gid))
        return true; /* its files are so */
    if (!sandbox->may_change_owner)
        return false;
    bool may = false;
    for (size_t i = 0; sandbox->groups != NULL && sandbox->groups[i] != NULL && !may; i++)
        may = is_group(sandbox->groups[i], access->gid);
    if (!may && getgrouplist(user->pw_name, user->pw_gid, groups, &n) >= 0)
        for (int i = 0; i < n && !may; i++)
            may = groups[i] == access->gid;
    return may;
}

static bool may_give(const struct socket_access *access) {
    gid_t groups[GROUPS_MOST];
    int n = getgroups(GROUPS_MOST, groups);

    if (geteuid() == 0)
        return true;
    if (access->uid != SOCKET_FILE_OWN && access->uid != geteuid())
        return false;
    bool may = access->gid == SOCKET_FILE_OWN || access->gid == getegid();
    for (int i = 0; i < n && !may; i++)
        may = groups[i] == access->gid;
    return may;
}

static void check_owner(const struct rights *rights, const struct listener_config *listener,
                        const struct listen_address *address) {
    const struct socket_access *access = &listener->socket_access;
    const char *who = rights->sandbox != NULL ? UNIT : "this user";

    if (!addr_is_unix(&address->spec.addr) ||
        (rights->sandbox != NULL ? sandbox_may_give(rights->sandbox, access) : may_give(access)))
        return;
    if (listener->socket_user[0] != '\0')
        warn_of_address(rights, listener->access_line, address->text,
                        "%s may not give it to user %s: leave socket_user empty, and let others in "
                        "by socket_group",
                        who, listener->socket_user);
    else
        warn_of_address(
            rights, listener->access_line, address->text,
            "%s may not give it to group %s, which takes a member of it and a system call: add "
            "SupplementaryGroups=%s and SystemCallFilter=fchownat to the service (systemctl "
            "edit relayd)",
            who, listener->socket_group, listener->socket_group);
}

static void check_listened(const struct rights *rights, int line,
                           const struct listen_address *address) {
    const struct addr *addr = &address->spec.addr;

    check_port(rights, line, address);
    check_unix_path(rights, line, address->text, &address->spec, true);
    check_interface(rights, line, address->text, addr, "relayd does not start before it is there");
    if (rights->sandbox == NULL && addr_is_unix(addr) && !may_write_beside(addr->u.un.sun_path) &&
        !text_is_below(addr->u.un.sun_path, "/run/relayd")) /* systemd makes it at the start */
        warn_of_address(rights, line, address->text, "%s", NO_FOLDER);
}

void rights_check(const struct config *config, bool service, config_warning_fn *on_warning,
                  void *arg) {
    struct sandbox found = {0};
    struct rights rights = {.config = config,
                            .sandbox = service && find_sandbox(&found) ? &found : NULL,
                            .first_free_port = read_first_free_port(),
                            .on_warning = on_warning,
                            .arg = arg};

    check_control(&rights);
    for (size_t i = 0; i < config->n_listeners; i++)
        for (size_t j = 0; j < config->listeners[i].n_address; j++) {
            const struct listen_address *address = &config->listeners[i].address[j];

            if (address->systemd)
                continue;
            check_listened(&rights, config->listeners[i].line, address);
            check_owner(&rights, &config->listeners[i], address);
        }
    for (size_t i = 0; i < config->status.n_address; i++)
        check_listened(&rights, config->status.line, &config->status.address[i]);
    for (size_t i = 0; i < config->n_upstreams; i++)
        for (size_t j = 0; j < config->upstreams[i].n_servers; j++) {
            const struct server_config *server = &config->upstreams[i].servers[j];

            check_unix_path(&rights, server->line, server->address_text, &server->address, false);
            check_interface(&rights, server->line, server->address_text, &server->address.addr,
                            "the server is not used until it is there");
        }
    free_texts(found.writable);
    free_texts(found.runtime);
    free_texts(found.groups);
    free(found.user);
    free(found.group);
}
