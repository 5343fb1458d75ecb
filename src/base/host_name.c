#include "base/host_name.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

static bool is_label_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

bool host_name_is_ip(const char *name) {
    struct in6_addr addr;

    return inet_pton(AF_INET, name, &addr) == 1 || inet_pton(AF_INET6, name, &addr) == 1;
}

static bool is_ip_literal(const char *name) {
    struct in6_addr addr;
    char inner[INET6_ADDRSTRLEN];
    size_t n = strlen(name);

    if (n > 2 && n < sizeof(inner) && name[0] == '[' && name[n - 1] == ']') {
        memcpy(inner, name + 1, n - 2);
        inner[n - 2] = '\0';
        return inet_pton(AF_INET6, inner, &addr) == 1;
    }
    return host_name_is_ip(name);
}

static bool are_labels(const char *name) {
    size_t label = 0;

    for (; *name != '\0'; name++) {
        if (*name == '.' ? label == 0 : !is_label_byte(*name))
            return false;
        label = *name == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

enum host_name host_name_read(const char *bytes, size_t n, char ret[HOST_NAME_SIZE]) {
    char name[HOST_NAME_SIZE];

    if (n == 0 || n >= sizeof(name) || memchr(bytes, '\0', n) != NULL)
        return HOST_NAME_BAD;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] + 'a' - 'A' : bytes[i]);
    name[name[n - 1] == '.' ? n - 1 : n] = '\0';
    if (is_ip_literal(name))
        return HOST_NAME_IP;
    if (!are_labels(name))
        return HOST_NAME_BAD;
    strcpy(ret, name);
    return HOST_NAME_GOOD;
}
