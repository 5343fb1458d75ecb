#include "base/interface.h"

#include <net/if.h>
#include <stdatomic.h>
#include <string.h>

#include "base/sync.h"
#include "base/text.h"

#define BY_NAME 0x80000000u /* the kernel's numbers are positive ints (if_nametoindex(3)) */
#define DIGITS  "0123456789"

/* Names are added and never change, so that they are read without the lock. */
static struct {
    struct lock lock;
    _Atomic uint32_t n;
    char names[INTERFACES_MOST][IF_NAMESIZE];
} interfaces = {.lock = LOCK_INITIAL(RANK_LEAF)};

static bool reject_interface(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

static uint32_t find_interface(const char *name) {
    uint32_t n = atomic_load(&interfaces.n);

    for (uint32_t i = 0; i < n; i++)
        if (strcmp(interfaces.names[i], name) == 0)
            return BY_NAME + i;
    return 0;
}

/* 0: there is no room for another one. */
static uint32_t add_interface(const char *name) {
    uint32_t number = find_interface(name);

    if (number != 0)
        return number;
    lock_acquire(&interfaces.lock);
    uint32_t n = atomic_load(&interfaces.n);
    number = find_interface(name);
    if (number == 0 && n < INTERFACES_MOST) {
        strcpy(interfaces.names[n], name);
        number = BY_NAME + n;
        atomic_store(&interfaces.n, n + 1);
    }
    lock_release(&interfaces.lock);
    return number;
}

/* What the kernel takes for one (dev_valid_name). */
static bool is_interface_name(const char *text) {
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f || strchr("/:%[]", *text) != NULL)
            return false;
    return true;
}

bool interface_parse(const char *text, uint32_t *ret_number, const char **ret_why) {
    bool is_number = text[strspn(text, DIGITS)] == '\0';
    int64_t index;

    if (*text == '\0')
        return reject_interface(
            ret_why, "the interface is missing after the \"%\", as in [fe80::1%eth0]:80");
    if (is_number && if_nametoindex(text) == 0) {
        if (!text_parse_number(text, &index) || index < 1 || index > INT32_MAX)
            return reject_interface(ret_why,
                                    "the number of a network interface is from 1 to 2147483647");
        *ret_number = (uint32_t)index;
        return true;
    }
    if (strlen(text) >= IF_NAMESIZE)
        return reject_interface(ret_why,
                                "the name of a network interface has at most 15 characters");
    if (!is_interface_name(text))
        return reject_interface(ret_why,
                                "a network interface cannot have the name after the \"%\"");
    uint32_t number = add_interface(text);
    if (number == 0)
        return reject_interface(ret_why,
                                "there have been 4096 names of network interfaces: restart relayd");
    *ret_number = number;
    return true;
}

const char *interface_name(uint32_t number) {
    return number >= BY_NAME && number - BY_NAME < atomic_load(&interfaces.n)
               ? interfaces.names[number - BY_NAME]
               : NULL;
}

uint32_t interface_recall(uint32_t index) {
    char name[IF_NAMESIZE];

    return index > 0 && index < BY_NAME && atomic_load(&interfaces.n) > 0 &&
                   if_indextoname(index, name) != NULL
               ? find_interface(name)
               : 0;
}

uint32_t interface_index(const char *name) {
    return if_nametoindex(name);
}
