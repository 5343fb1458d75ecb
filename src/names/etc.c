#include "names/etc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/grow.h"
#include "base/text.h"

#define LOOK_EVERY  (100 * USEC_PER_MSEC)
#define SETTLED_SEC 2                  /* two changes of a file in less may have the same time */
#define SIZE_MOST   (64 * 1024 * 1024) /* of a file; what is beyond is not read */
#define BLANKS      " \t\r\n"
#define DOTS_MOST   15 /* resolv.conf(5) */

/* Files */

static bool has_changed(struct etc_file *file) {
    struct stat now;

    if (stat(file->path, &now) < 0)
        now = (struct stat){0};
    bool same = file->settled && now.st_ino == file->seen.st_ino &&
                now.st_dev == file->seen.st_dev && now.st_size == file->seen.st_size &&
                now.st_mtim.tv_sec == file->seen.st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == file->seen.st_mtim.tv_nsec;
    file->seen = now;
    file->settled = time(NULL) - now.st_mtim.tv_sec > SETTLED_SEC;
    return !same;
}

/* The whole text, for the caller to free; "" without a regular file. NULL: no memory. */
static char *read_text(const struct etc_file *file) {
    size_t most = file->seen.st_size < SIZE_MOST ? (size_t)file->seen.st_size + 1 : SIZE_MOST;
    char *text = malloc(most + 1);
    const char *kind;
    size_t n = 0;

    if (text != NULL)
        text[file_read(file->path, text, most, &n, &kind) == 0 ? n : 0] = '\0';
    return text;
}

/* The next line, without its comment; NULL: none. */
static char *next_line(char **text, const char *comments) {
    char *line = strsep(text, "\n");

    if (line != NULL)
        line[strcspn(line, comments)] = '\0';
    return line;
}

static char *next_etc_word(char **line) {
    char *word;

    do
        word = strsep(line, BLANKS);
    while (word != NULL && *word == '\0');
    return word;
}

/* /etc/hosts */

static bool parse_hosts_address(const char *word, struct etc_address *address) {
    address->is_ipv6 = strchr(word, ':') != NULL;
    return inet_pton(address->is_ipv6 ? AF_INET6 : AF_INET, word, address->bytes) == 1;
}

static int compare_addresses(const void *a, const void *b) {
    const struct etc_address *x = a, *y = b;
    int order = strcasecmp(x->name, y->name);

    return order != 0 ? order : x->name < y->name ? -1 : x->name > y->name;
}

static bool add_host(struct etc *etc, size_t *room, const struct etc_address *address) {
    struct etc_address *hosts = grow_list(etc->hosts, etc->n_hosts, room, sizeof(*hosts));

    if (hosts == NULL)
        return false;
    etc->hosts = hosts;
    hosts[etc->n_hosts++] = *address;
    return true;
}

static void free_hosts(struct etc *etc) {
    free(etc->hosts);
    free(etc->hosts_text);
    etc->hosts = NULL;
    etc->hosts_text = NULL;
    etc->n_hosts = 0;
}

static void read_hosts(struct etc *etc) {
    size_t room = 0;
    char *rest, *line;

    free_hosts(etc);
    rest = etc->hosts_text = read_text(&etc->hosts_file);
    while ((line = next_line(&rest, "#")) != NULL) {
        const char *word = next_etc_word(&line);
        struct etc_address address;

        if (word == NULL || !parse_hosts_address(word, &address))
            continue;
        while ((address.name = next_etc_word(&line)) != NULL)
            if (!add_host(etc, &room, &address))
                return free_hosts(etc);
    }
    if (etc->n_hosts > 0)
        qsort(etc->hosts, etc->n_hosts, sizeof(*etc->hosts), compare_addresses);
}

static const struct etc_address *find_localhost(const char *name, size_t *ret_n) {
    static const struct etc_address loopback[] = {{.bytes = {127, 0, 0, 1}},
                                                  {.is_ipv6 = true, .bytes = {[15] = 1}}};
    static const char local[] = ".localhost";
    size_t length = strlen(name);

    length -= length > 0 && name[length - 1] == '.';
    if (length < sizeof(local) - 2)
        return NULL;
    const char *end = name + length - (sizeof(local) - 2);
    if (strncasecmp(end, local + 1, sizeof(local) - 2) != 0 || (end > name && end[-1] != '.'))
        return NULL;
    *ret_n = ARRAY_LEN(loopback);
    return loopback;
}

const struct etc_address *etc_find(const struct etc *etc, const char *name, size_t *ret_n) {
    size_t low = 0, high = etc->n_hosts, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcasecmp(etc->hosts[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < etc->n_hosts && strcasecmp(etc->hosts[end].name, name) == 0;)
        end++;
    if (end == low || !etc->ways.use_hosts)
        return find_localhost(name, ret_n);
    *ret_n = end - low;
    return &etc->hosts[low];
}

/* /etc/nsswitch.conf */

/* Other sources are unknown here, and so are actions ("[NOTFOUND=return]"). */
static void read_order(const struct etc_file *file, struct etc_ways *ways) {
    char *text = read_text(file), *rest = text, *line, *word;
    bool hosts = false, dns = false, first = false;

    while ((line = next_line(&rest, "#")) != NULL) {
        const char *database = next_etc_word(&line);

        if (database == NULL || strcmp(database, "hosts:") != 0)
            continue;
        while ((word = next_etc_word(&line)) != NULL) {
            if (strcmp(word, "files") == 0)
                hosts = true;
            if (strcmp(word, "dns") == 0 || strcmp(word, "resolve") == 0) {
                first = first || !hosts;
                dns = true;
            }
        }
    }
    free(text);
    ways->use_hosts = hosts || !dns;
    ways->use_dns = dns || !hosts;
    ways->dns_first = first;
}

/* /etc/resolv.conf, as in resolv.conf(5) */

static void take_domains(struct etc_ways *ways, char *line) {
    const char *word;

    ways->n_domains = 0;
    while ((word = next_etc_word(&line)) != NULL && ways->n_domains < ETC_DOMAINS_MAX) {
        size_t length = strlen(word);

        length -= length > 0 && word[length - 1] == '.';
        if (length > 0 && length < ADDR_NAME_MAX)
            snprintf(ways->domains[ways->n_domains++], ADDR_NAME_MAX, "%.*s", (int)length, word);
    }
}

static void take_resolver_options(struct etc_ways *ways, char *line) {
    const char *word;
    int64_t dots;

    while ((word = next_etc_word(&line)) != NULL)
        if (strncmp(word, "ndots:", 6) == 0 && text_parse_number(word + 6, &dots))
            ways->dots = (unsigned)(dots < DOTS_MOST ? dots : DOTS_MOST);
}

static void take_variable(struct etc_ways *ways, const char *name,
                          void (*take)(struct etc_ways *ways, char *line)) {
    const char *value = getenv(name);
    char *copy = value != NULL ? strdup(value) : NULL;

    if (copy != NULL)
        take(ways, copy);
    free(copy);
}

static void take_host_domain(struct etc_ways *ways) {
    char name[ADDR_NAME_MAX] = "", *dot;

    ways->n_domains = 0;
    if (gethostname(name, sizeof(name) - 1) == 0 && (dot = strchr(name, '.')) != NULL)
        take_domains(ways, dot + 1);
}

static void read_domains(const struct etc_file *file, struct etc_ways *ways) {
    char *text = read_text(file), *rest = text, *line;

    take_host_domain(ways);
    ways->dots = 1;
    while ((line = next_line(&rest, "#;")) != NULL) {
        const char *key = next_etc_word(&line);

        if (key != NULL && (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0))
            take_domains(ways, line);
        else if (key != NULL && strcmp(key, "options") == 0)
            take_resolver_options(ways, line);
    }
    free(text);
    take_variable(ways, "LOCALDOMAIN", take_domains);
    take_variable(ways, "RES_OPTIONS", take_resolver_options);
}

bool etc_candidate(const struct etc *etc, const char *name, size_t i, char ret[ADDR_NAME_MAX + 1]) {
    const struct etc_ways *ways = &etc->ways;
    size_t length = strlen(name), last = ways->n_domains, dots = 0;
    const char *domain = NULL;

    for (const char *at = name; *at != '\0'; at++)
        dots += *at == '.';
    if (length > 0 && name[length - 1] == '.') {
        snprintf(ret, ADDR_NAME_MAX + 1, "%s", name);
        return i == 0;
    }
    if (i > last)
        return false;
    if (dots >= ways->dots && i > 0)
        domain = ways->domains[i - 1];
    else if (dots < ways->dots && i < last)
        domain = ways->domains[i];
    if (domain == NULL || length + 1 + strlen(domain) >= ADDR_NAME_MAX)
        domain = "";
    ret[0] = '\0';
    text_append(ret, ADDR_NAME_MAX + 1, "%s%s%s.", name, *domain != '\0' ? "." : "", domain);
    return true;
}

/* All */

void etc_init(struct etc *etc) {
    *etc = (struct etc){.looked = -LOOK_EVERY};
    etc->hosts_file.path = "/etc/hosts";
    etc->nsswitch_file.path = "/etc/nsswitch.conf";
    etc->resolv_file.path = "/etc/resolv.conf";
}

void etc_free(struct etc *etc) {
    free_hosts(etc);
}

void etc_refresh(struct etc *etc) {
    usec_t now = clock_now();

    if (now - etc->looked < LOOK_EVERY)
        return;
    etc->looked = now;
    if (has_changed(&etc->hosts_file))
        read_hosts(etc);
    bool order = has_changed(&etc->nsswitch_file), domains = has_changed(&etc->resolv_file);
    struct etc_ways ways = etc->ways;
    if (order)
        read_order(&etc->nsswitch_file, &ways);
    if (domains)
        read_domains(&etc->resolv_file, &ways);
    if (memcmp(&ways, &etc->ways, sizeof(ways)) == 0)
        return;
    etc->ways = ways;
    etc->version++;
}
