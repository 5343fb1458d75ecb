/* The addresses of listeners and servers, and what is written in their place by who comes from
 * elsewhere or is in a hurry. */
#include <string.h>

#include "base/check.h"
#include "config/build.h"

#define DIGITS "0123456789"
#define BLANKS ", \t"

/* Whether it is one address after the other, with commas or blanks between. */
static bool are_several(const char *text) {
    char part[ADDR_NAME_MAX + sizeof(":65535")];
    struct addr_spec spec;
    const char *why;
    size_t n = 0;

    for (const char *at = text + strspn(text, BLANKS); *at != '\0'; n++) {
        size_t length = strcspn(at, BLANKS);

        if (length >= sizeof(part))
            return false;
        memcpy(part, at, length);
        part[length] = '\0';
        if (!addr_parse(part, &spec, &why))
            return false;
        at += length;
        at += strspn(at, BLANKS);
    }
    return n > 1;
}

static bool is_descriptor(const char *text) {
    if (strncmp(text, "fd:", 3) != 0 && strncmp(text, "fd@", 3) != 0)
        return false;
    return text[3] != '\0' && text[3 + strspn(text + 3, DIGITS)] == '\0';
}

/* Whether the host is what Linux and systemd.net-naming-scheme(7) call interfaces: eth0, enp3s0. */
static bool is_interface(const char *text) {
    static const char *const kinds[] = {"eth", "eno",  "ens",  "enp", "wlan", "wlp",  "bond",  "br",
                                        "tun", "veth", "vlan", "tap", "wg",   "team", "docker"};
    size_t length = strcspn(text, ":");

    if (text[length] != ':')
        return false;
    if (length == 2 && strncmp(text, "lo", 2) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t kind = strlen(kinds[i]);
        bool pci = strcmp(kinds[i], "enp") == 0 || strcmp(kinds[i], "wlp") == 0;

        if (length > kind && strncmp(text, kinds[i], kind) == 0 &&
            strchr(DIGITS, text[kind]) != NULL &&
            strspn(text + kind, pci ? DIGITS "sfnpd" : DIGITS) == length - kind)
            return true;
    }
    return false;
}

/* What was meant, as a clause; NULL: nothing that is known here. */
static const char *guess_meant(const char *text, bool listens) {
    if (text[0] == '/' || strncmp(text, "unix@/", 6) == 0)
        return "the path of a unix socket stands after \"unix:\", as in unix:/run/app.sock";
    if (is_descriptor(text))
        return listens ? "descriptors have no numbers here: \"systemd\" is the sockets that are "
                         "passed under this listener's name"
                       : "a descriptor is no server; write its address, as in 127.0.0.1:80";
    if (listens && is_interface(text))
        return "this is an interface; write one of its addresses, as in 192.0.2.1:80, or the port "
               "alone, as in :80, for all of them";
    if (!are_several(text))
        return NULL;
    return listens ? "several addresses are a list, as in {\"127.0.0.1:80\", \"[::1]:80\"}"
                   : "a server has one address: give each other one a server section of its own";
}

static bool parse_address(const char *text, bool listens, struct addr_spec *ret,
                          const char **ret_why) {
    const char *meant = guess_meant(text, listens);

    if (meant != NULL)
        *ret_why = meant;
    return meant == NULL && addr_parse(text, ret, ret_why);
}

bool config_parse_listen(const char *text, struct addr_spec *ret, const char **ret_why) {
    struct addr_spec spec;

    if (!parse_address(text, true, &spec, ret_why))
        return false;
    if (spec.form == ADDR_SRV) {
        *ret_why = "the name of a service stands for servers, and cannot be listened on";
        return false;
    }
    *ret = spec;
    return true;
}

bool config_parse_server(const char *text, struct addr_spec *ret, const char **ret_why) {
    struct addr_spec spec;

    if (!parse_address(text, false, &spec, ret_why))
        return false;
    if (spec.form == ADDR_ANY) {
        *ret_why = "the host is missing, as in 127.0.0.1:80";
        return false;
    }
    *ret = spec;
    return true;
}
