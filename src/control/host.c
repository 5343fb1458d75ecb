#include "control/host.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/addr.h"

#define HOST_MAX (ADDR_NAME_MAX + 8) /* with a port */

bool hosts_add(struct hosts *hosts, const char *name) {
    char *copy = strdup(name), **grown = reallocarray(hosts->names, hosts->n + 1, sizeof(*grown));

    if (grown != NULL)
        hosts->names = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    hosts->names[hosts->n++] = copy;
    return true;
}

void hosts_free(struct hosts *hosts) {
    for (size_t i = 0; i < hosts->n; i++)
        free(hosts->names[i]);
    free(hosts->names);
    *hosts = (struct hosts){.n = 0};
}

/* The field without its port and brackets. False: it is no host. */
static bool take_host(const char *field, char host[HOST_MAX]) {
    const char *end = field[0] == '[' ? strchr(field, ']') : strchr(field, ':');
    const char *begin = field + (field[0] == '['), *port;
    size_t n = end != NULL ? (size_t)(end - begin) : strlen(begin);

    if (field[0] == '[' && end == NULL)
        return false;
    port = end == NULL ? "" : field[0] == '[' ? end + 1 : end;
    if (port[0] != '\0' && (port[0] != ':' || port[1 + strspn(port + 1, "0123456789")] != '\0'))
        return false;
    if (n == 0 || n >= HOST_MAX)
        return false;
    memcpy(host, begin, n);
    host[n] = '\0';
    if (n > 1 && field[0] != '[' && host[n - 1] == '.')
        host[n - 1] = '\0'; /* of the root */
    return true;
}

/* "web1" and "web1.example", if it is called so. */
static bool is_this_machine(const char *host) {
    char name[ADDR_NAME_MAX] = "";

    if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
        return false;
    size_t first = strcspn(name, ".");
    return strcasecmp(host, name) == 0 ||
           (strlen(host) == first && strncasecmp(host, name, first) == 0);
}

bool hosts_have(const struct hosts *hosts, const char *field) {
    char host[HOST_MAX];
    struct addr addr;
    const char *why;

    if (!take_host(field, host))
        return false;
    if (addr_parse_ip(host, &addr, &why) || strcasecmp(host, "localhost") == 0)
        return true;
    for (size_t i = 0; i < hosts->n; i++)
        if (strcasecmp(host, hosts->names[i]) == 0)
            return true;
    return is_this_machine(host);
}
