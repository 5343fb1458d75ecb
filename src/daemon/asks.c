#include "daemon/asks.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "daemon/ask.h"

void asks_init(struct asks *asks) {
    *asks = (struct asks){.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
}

void asks_close(struct asks *asks) {
    fd_close(&asks->fd);
}

/* Nobody need hear it: the asker may have gone, or be in another network namespace. */
static void tell_asker(const struct asks *asks, uintptr_t token, enum ask_word word,
                       const char *why) {
    struct sockaddr_un to;
    socklen_t size = ask_address(token, &to);
    char text[ASK_TEXT_MAX];

    int n = snprintf(text, sizeof(text), "%c%s", (char)word, why != NULL ? why : "");
    if (n >= (int)sizeof(text))
        n = (int)sizeof(text) - 1;
    (void)sendto(asks->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
                 size);
}

static struct ask *find_ask(struct asks *asks, uintptr_t token) {
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (asks->list[i].token == token)
            return &asks->list[i];
    return NULL;
}

bool asks_note(struct asks *asks, const siginfo_t *hup) {
    uintptr_t token = hup->si_code == SI_QUEUE ? (uintptr_t)hup->si_value.sival_ptr : 0;

    if (!ask_is_token(token))
        return true; /* kill(1), or a program of that kind: it waits for nothing */
    struct ask *ask = find_ask(asks, token);
    bool again = ask != NULL;
    if (!again) {
        ask = &asks->list[asks->next];
        asks->next = (asks->next + 1) % ASKS_MAX;
        *ask = (struct ask){.token = token, .state = ASK_WAITS};
    }
    tell_asker(asks, token, ASK_HEARD, NULL);
    return !again;
}

void asks_serve(struct asks *asks) {
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (asks->list[i].token != 0 && asks->list[i].state == ASK_WAITS)
            asks->list[i].state = ASK_SERVED;
}

void asks_answer(struct asks *asks, const char *refused) {
    for (size_t i = 0; i < ASKS_MAX; i++) {
        struct ask *ask = &asks->list[i];

        if (ask->token == 0 || ask->state != ASK_SERVED)
            continue;
        ask->state = ASK_ANSWERED;
        tell_asker(asks, ask->token, refused != NULL ? ASK_REFUSED : ASK_RELOADED, refused);
    }
}
