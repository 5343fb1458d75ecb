/* Why there is no keeper, in words. */
#include <string.h>

#include "base/log.h"
#include "handover/link.h"

#define UNTIL "Connections end with relayd until that changes: "

static void say_nobody(const char *path, bool by_chance) {
    if (by_chance)
        log_msg(
            MSG_KEEPER,
            "Connections end with relayd: no relayd-keeper listens at %s. To have one: systemctl "
            "enable --now relayd-keeper.socket.",
            path);
    else
        log_msg(MSG_KEEPER_TROUBLE, UNTIL "no relayd-keeper listens at %s.", path);
}

void link_say_outcome(int outcome, const char *path, bool by_chance,
                      const struct heritage *heritage) {
    switch (outcome) {
    case LINK_NOBODY:
        say_nobody(path, by_chance);
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
                "(keeper = PATH), or say keeper = off.",
                heritage->why, path);
        break;
    case LINK_FOREIGN:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "relayd-keeper at %s holds those of another relayd (%s), which is away. Give each "
                "a keeper of its own (keeper = PATH), or say keeper = off.",
                path, heritage->why);
        break;
    case LINK_OTHER_VERSION:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL
                "relayd-keeper at %s speaks version %u, and this relayd speaks version %d. "
                "Restart relayd-keeper.",
                path, heritage->version, KEEPER_VERSION);
        break;
    case LINK_UNTRUSTED:
        log_msg(MSG_KEEPER_TROUBLE,
                UNTIL "relayd-keeper at %s is not trusted: %s. It must be this user's or root's.",
                path, heritage->why);
        break;
    default:
        log_msg(MSG_KEEPER_TROUBLE, UNTIL "relayd-keeper at %s: %s.", path,
                strerrordesc_np(-outcome));
    }
}
