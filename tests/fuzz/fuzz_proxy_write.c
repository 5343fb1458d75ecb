/* The PROXY header that is sent to servers: whatever the addresses, it fits, and a reader finds in
 * it what was written. */
#include "fuzz.h"

#include <string.h>

#include "wire/proxy_protocol.h"

/* The bytes of the input, one after the other; zeros once they are used up. */
struct input {
    const uint8_t *at;
    size_t left;
};

static void take(struct input *input, void *to, size_t n) {
    size_t some = n < input->left ? n : input->left;

    memset(to, 0, n);
    memcpy(to, input->at, some);
    input->at += some;
    input->left -= some;
}

static struct addr take_addr(struct input *input) {
    struct addr addr;
    uint8_t kind[2];

    memset(&addr, 0, sizeof(addr));
    take(input, kind, sizeof(kind));
    switch (kind[0] % 4) {
    case 0:
        addr.u.in.sin_family = AF_INET;
        take(input, &addr.u.in.sin_port, 2);
        take(input, &addr.u.in.sin_addr, 4);
        addr.len = sizeof(addr.u.in);
        break;
    case 1:
        addr.u.in6.sin6_family = AF_INET6;
        take(input, &addr.u.in6.sin6_port, 2);
        take(input, &addr.u.in6.sin6_addr, 16);
        addr.len = sizeof(addr.u.in6);
        break;
    /* unix(7): the kernel's length may be anything from the family alone to the whole name
     * without a NUL */
    case 2:
        addr.u.un.sun_family = AF_UNIX;
        addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                               kind[1] % (sizeof(addr.u.un.sun_path) + 1));
        take(input, addr.u.un.sun_path, addr.len - offsetof(struct sockaddr_un, sun_path));
        break;
    default: /* none */
        break;
    }
    return addr;
}

static void same_ip(const struct addr *a, const struct addr *b) {
    unsigned char x[16], y[16];

    CHECK(addr_ipv6_bytes(a, x) && addr_ipv6_bytes(b, y) && memcmp(x, y, sizeof(x)) == 0);
    CHECK(addr_port(a) == addr_port(b));
}

static void same_unix(const struct addr *a, const struct addr *b) {
    char x[ADDR_TEXT_MAX], y[ADDR_TEXT_MAX];

    /* Names that end in NULs, or have one within, look the same up to there. */
    addr_format(a, x, sizeof(x));
    addr_format(b, y, sizeof(y));
    CHECK(addr_is_unix(a) && addr_is_unix(b) && strncmp(x, y, strlen(x)) == 0);
}

/* Of whatever lengths. */
static void take_names(struct input *input, struct proxy_certificate *shown) {
    uint8_t size = 0;

    for (;;) {
        take(input, &size, 1);
        if (size == 0 || shown->n_names + 1 + size > sizeof(shown->names))
            return;
        shown->names[shown->n_names] = size;
        take(input, shown->names + shown->n_names + 1, size);
        shown->n_names += 1u + size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct input input = {bytes, n};
    unsigned char header[PROXY_WRITE_MAX], id[PROXY_ID_MAX];
    struct proxy_header read = {0};
    uint8_t head[2];
    size_t length = 0;
    const char *why = NULL;

    take(&input, head, sizeof(head));
    enum proxy_version version = head[0] & 1 ? PROXY_V1 : PROXY_V2;
    size_t id_length = head[1] % (PROXY_ID_MAX + 1);
    take(&input, id, sizeof(id));
    struct addr source = take_addr(&input), destination = take_addr(&input);
    bool own = (head[0] & 2) != 0;
    struct proxy_certificate shown = {.verified = (head[0] & 4) != 0};
    struct proxy_tls tls = {.version = "TLSv1.3",
                            .cipher = "TLS_AES_256_GCM_SHA384",
                            .alpn = head[0] & 8 ? "http/1.1" : "",
                            .name = head[0] & 16 ? "www.example.com" : ""};
    if (head[0] & 32) {
        take(&input, shown.common, sizeof(shown.common) - 1);
        take(&input, shown.subject, sizeof(shown.subject) - 1);
        take_names(&input, &shown);
        tls.certificate = &shown;
    }
    size_t size = proxy_write(version, own ? NULL : &source, own ? NULL : &destination, id,
                              id_length, head[0] & 64 ? &tls : NULL, header);

    CHECK(size > 0 && size <= sizeof(header));
    CHECK(proxy_parse(version, header, size, &read, &length, &why) == PROXY_WHOLE &&
          length == size);
    CHECK(!own || !read.known);
    if (!read.known)
        return 0;
    if (addr_is_unix(&source)) {
        CHECK(version == PROXY_V2);
        same_unix(&read.source, &source);
        same_unix(&read.destination, &destination);
    } else {
        same_ip(&read.source, &source);
        same_ip(&read.destination, &destination);
    }
    if (version == PROXY_V2)
        CHECK(read.id_length == id_length && memcmp(read.id, id, id_length) == 0);
    return 0;
}
