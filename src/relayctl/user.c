#include "relayctl/user.h"

#include <pwd.h>
#include <stdio.h>

#include "base/json_member.h"

const char *user_format(const json_t *object, char *buf, size_t size) {
    uid_t uid = (uid_t)member_number(object, "by_uid");
    const struct passwd *user = getpwuid(uid);

    if (user != NULL)
        snprintf(buf, size, "%s", user->pw_name);
    else
        snprintf(buf, size, "uid %u", uid);
    return buf;
}
