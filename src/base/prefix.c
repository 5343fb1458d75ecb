/* A trie of nodes that each cover all below them. A node stands where a prefix was added (value >=
 * 0) or where two paths part (-1). */
#include "base/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MAPPED_BITS 96 /* ::ffff:0:0/96, RFC 4291, 2.5.5.2 */
#define ALL_BITS    128

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct node {
    struct prefix prefix;
    int value;
    struct node *child[2];
};

struct prefix_set {
    struct node *ipv4, *ipv6; /* apart, so that ::/0 is every IPv6 address and not every address */
};

static bool reject_prefix(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

static bool is_ipv4(const struct prefix *prefix) {
    return prefix->bits >= MAPPED_BITS && addr_bytes_are_ipv4(prefix->bytes);
}

static unsigned bit_at(const uint8_t *bytes, unsigned at) {
    return bytes[at / 8] >> (7 - at % 8) & 1;
}

/* How many bits both begin with, at most `most`. */
static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned most) {
    unsigned at = 0;

    while (at + 8 <= most && a[at / 8] == b[at / 8])
        at += 8;
    while (at < most && bit_at(a, at) == bit_at(b, at))
        at++;
    return at;
}

static bool parse_prefix_address(const char *text, struct prefix *prefix, unsigned *ret_least,
                                 const char **ret_why) {
    if (inet_pton(AF_INET, text, &prefix->bytes[sizeof(mapped)]) == 1) {
        memcpy(prefix->bytes, mapped, sizeof(mapped));
        *ret_least = MAPPED_BITS;
        return true;
    }
    *ret_least = 0;
    if (inet_pton(AF_INET6, text, prefix->bytes) == 1)
        return true;
    return reject_prefix(
        ret_why,
        "it does not begin with an IPv4 or IPv6 address, as in 10.0.0.0/8 or 2001:db8::/32");
}

bool prefix_is_sound(const struct prefix *prefix) {
    if (prefix->bits > ALL_BITS)
        return false;
    for (unsigned i = prefix->bits; i < ALL_BITS; i++)
        if (bit_at(prefix->bytes, i) != 0)
            return false;
    return true;
}

bool prefix_parse(const char *text, struct prefix *ret_prefix, const char **ret_why) {
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    struct prefix prefix = {.bits = ALL_BITS};
    char address[INET6_ADDRSTRLEN];
    unsigned least;
    int64_t bits;

    if (length >= sizeof(address))
        return reject_prefix(ret_why, "it is longer than any address");
    memcpy(address, text, length);
    address[length] = '\0';
    if (!parse_prefix_address(address, &prefix, &least, ret_why))
        return false;
    if (slash != NULL) {
        if (!text_parse_number(slash + 1, &bits) || bits > ALL_BITS - least ||
            (slash[1] == '0' && slash[2] != '\0'))
            return reject_prefix(
                ret_why, least > 0 ? "the length after the \"/\" must be a number from 0 to 32"
                                   : "the length after the \"/\" must be a number from 0 to 128");
        prefix.bits = least + (unsigned)bits;
    }
    if (!prefix_is_sound(&prefix))
        return reject_prefix(
            ret_why, "the address has bits set beyond the length; clear them, or raise the length");
    *ret_prefix = prefix;
    return true;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b) {
    return a->bits == b->bits && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool prefix_covers(const struct prefix *a, const struct prefix *b) {
    return a->bits <= b->bits && is_ipv4(a) == is_ipv4(b) &&
           common_bits(a->bytes, b->bytes, a->bits) == a->bits;
}

bool prefix_has(const struct prefix *prefix, const struct addr *addr) {
    struct prefix whole = {.bits = ALL_BITS};

    return addr_ipv6_bytes(addr, whole.bytes) && prefix_covers(prefix, &whole);
}

const char *prefix_format(const struct prefix *prefix, char *buf, size_t size) {
    bool ipv4 = is_ipv4(prefix);
    unsigned bits = ipv4 ? prefix->bits - MAPPED_BITS : prefix->bits;
    char text[INET6_ADDRSTRLEN] = "";

    if (ipv4)
        (void)inet_ntop(AF_INET, &prefix->bytes[sizeof(mapped)], text, sizeof(text));
    else
        (void)inet_ntop(AF_INET6, prefix->bytes, text, sizeof(text));
    if (prefix->bits < ALL_BITS)
        snprintf(buf, size, "%s/%u", text, bits);
    else
        snprintf(buf, size, "%s", text);
    return buf;
}

struct prefix_set *prefix_set_new(void) {
    return calloc(1, sizeof(struct prefix_set));
}

/* Depth first, without recursion: a path may be 128 nodes long. The left child takes the place of
 * its parent. */
static void free_nodes(struct node *node) {
    while (node != NULL) {
        struct node *left = node->child[0], *right = node->child[1], *end = left;

        free(node);
        if (left == NULL) {
            node = right;
            continue;
        }
        while (end->child[1] != NULL)
            end = end->child[1];
        end->child[1] = right;
        node = left;
    }
}

void prefix_set_free(struct prefix_set *set) {
    if (set == NULL)
        return;
    free_nodes(set->ipv4);
    free_nodes(set->ipv6);
    free(set);
}

static struct node *make_node(const struct prefix *prefix, unsigned bits, int value) {
    struct node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->prefix.bits = bits;
    for (unsigned i = 0; i < bits; i++)
        node->prefix.bytes[i / 8] |= (uint8_t)(prefix->bytes[i / 8] & 0x80 >> i % 8);
    node->value = value;
    return node;
}

/* Puts a node for the prefix above or beside *at, which does not cover it. */
static bool put_node_above(struct node **at, const struct prefix *prefix, unsigned shared,
                           int value) {
    struct node *below = *at, *leaf = make_node(prefix, prefix->bits, value), *fork = leaf;

    if (leaf == NULL)
        return false;
    if (shared < prefix->bits) {
        fork = make_node(prefix, shared, -1);
        if (fork == NULL) {
            free(leaf);
            return false;
        }
        fork->child[bit_at(prefix->bytes, shared)] = leaf;
    }
    fork->child[bit_at(below->prefix.bytes, shared)] = below;
    *at = fork;
    return true;
}

bool prefix_set_add(struct prefix_set *set, const struct prefix *prefix, int value) {
    struct node **at = is_ipv4(prefix) ? &set->ipv4 : &set->ipv6;

    while (*at != NULL) {
        struct node *node = *at;
        unsigned least = node->prefix.bits < prefix->bits ? node->prefix.bits : prefix->bits;
        unsigned shared = common_bits(node->prefix.bytes, prefix->bytes, least);

        if (shared < node->prefix.bits)
            return put_node_above(at, prefix, shared, value);
        if (node->prefix.bits == prefix->bits) {
            node->value = value > node->value ? value : node->value;
            return true;
        }
        at = &node->child[bit_at(prefix->bytes, node->prefix.bits)];
    }
    *at = make_node(prefix, prefix->bits, value);
    return *at != NULL;
}

int prefix_set_find_prefix(const struct prefix_set *set, const struct addr *addr,
                           struct prefix *ret_prefix) {
    uint8_t bytes[16];
    const struct node *found = NULL;

    if (set == NULL || !addr_ipv6_bytes(addr, bytes))
        return -1;
    const struct node *node = addr_bytes_are_ipv4(bytes) ? set->ipv4 : set->ipv6;
    while (node != NULL &&
           common_bits(node->prefix.bytes, bytes, node->prefix.bits) == node->prefix.bits) {
        found = node->value >= 0 ? node : found;
        node = node->prefix.bits < ALL_BITS ? node->child[bit_at(bytes, node->prefix.bits)] : NULL;
    }
    if (found == NULL)
        return -1;
    *ret_prefix = found->prefix;
    return found->value;
}

int prefix_set_find(const struct prefix_set *set, const struct addr *addr) {
    struct prefix prefix;

    return prefix_set_find_prefix(set, addr, &prefix);
}
