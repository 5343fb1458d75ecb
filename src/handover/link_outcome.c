/* Why there is no keeper, in words. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "handover/link.h"

#define UNTIL "Connections end with relayd until that changes: "

static void log_nobody(const char *path, bool by_chance) {
    if (by_chance)
        log_msg(
            MSG_KEEPER,
            "Connections end with relayd: no relayd-keeper listens at %s. To have one: systemctl "
            "enable --now relayd-keeper.socket.",
            path);
    else
        log_msg(MSG_KEEPER_TROUBLE, UNTIL "no relayd-keeper listens at %s.", path);
}

static void log_failed(const char *path, int error) {
    if (error == EPROTOTYPE)
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL "what listens at %s is no relayd-keeper: correct keeper = PATH.", path);
    else if (error == EBADMSG)
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "what answers at %s does not speak as this relayd's keeper does. Is it a "
                "relayd-keeper, and of this version? Restart it, or correct keeper = PATH.",
                path);
    else
        log_msg(MSG_KEEPER_TROUBLE, UNTIL "relayd-keeper at %s: %s.", path, strerrordesc_np(error));
}

void link_log_outcome(enum link_outcome outcome, const struct link_why *why, const char *path,
                      bool by_chance) {
    switch (outcome) {
    case LINK_NOBODY:
        log_nobody(path, by_chance);
        break;
    case LINK_SILENT:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "relayd-keeper at %s does not answer. If it still holds listening sockets, they "
                "cannot be opened. See systemctl status relayd-keeper.",
                path);
        break;
    case LINK_BUSY:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "another relayd (%s) uses relayd-keeper at %s. Give each a keeper of its own "
                "(keeper = PATH), or set keeper = off.",
                why->text, path);
        break;
    case LINK_FOREIGN:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "relayd-keeper at %s holds those of another relayd (%s), which is away. Give each "
                "a keeper of its own (keeper = PATH), or set keeper = off.",
                path, why->text);
        break;
    case LINK_OTHER_VERSION:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "relayd-keeper at %s speaks version %u, and this relayd speaks version %d. "
                "Restart relayd-keeper.",
                path, why->version, KEEPER_VERSION);
        break;
    case LINK_UNTRUSTED:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL "relayd-keeper at %s is not trusted: %s. It must be this user's or root's.",
                path, why->text);
        break;
    case LINK_FAILED:
        log_failed(path, why->error);
        break;
    case LINK_OK:
    default:
        break;
    }
}
