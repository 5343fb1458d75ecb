#include "daemon/reload_requests.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "daemon/reload_request.h"

void reload_requests_init(struct reload_requests *requests) {
    *requests = (struct reload_requests){.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
}

void reload_requests_close(struct reload_requests *requests) {
    fd_close(&requests->fd);
}

/* Nobody need hear it: the asker may have gone, or be in another network namespace. */
static void tell_asker(const struct reload_requests *requests, uintptr_t token,
                       enum reload_word word, const char *why) {
    struct sockaddr_un to;
    socklen_t size = reload_request_address(token, &to);
    char text[RELOAD_TEXT_MAX];

    int n = snprintf(text, sizeof(text), "%c%s", (char)word, why != NULL ? why : "");
    if (n >= (int)sizeof(text))
        n = (int)sizeof(text) - 1;
    (void)sendto(requests->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
                 size);
}

static struct reload_request *find_request(struct reload_requests *requests, uintptr_t token) {
    for (size_t i = 0; i < RELOAD_REQUESTS_MAX; i++)
        if (requests->list[i].token == token)
            return &requests->list[i];
    return NULL;
}

bool reload_requests_note(struct reload_requests *requests, const siginfo_t *hup) {
    uintptr_t token = hup->si_code == SI_QUEUE ? (uintptr_t)hup->si_value.sival_ptr : 0;

    if (!reload_request_is_token(token))
        return true; /* kill(1), or a program of that kind: it waits for nothing */
    struct reload_request *request = find_request(requests, token);
    bool again = request != NULL;
    if (!again) {
        request = &requests->list[requests->next];
        requests->next = (requests->next + 1) % RELOAD_REQUESTS_MAX;
        *request = (struct reload_request){.token = token, .state = REQUEST_WAITS};
    }
    tell_asker(requests, token, RELOAD_HEARD, NULL);
    return !again;
}

void reload_requests_serve(struct reload_requests *requests) {
    for (size_t i = 0; i < RELOAD_REQUESTS_MAX; i++)
        if (requests->list[i].token != 0 && requests->list[i].state == REQUEST_WAITS)
            requests->list[i].state = REQUEST_SERVED;
}

void reload_requests_answer(struct reload_requests *requests, const char *refused) {
    for (size_t i = 0; i < RELOAD_REQUESTS_MAX; i++) {
        struct reload_request *request = &requests->list[i];

        if (request->token == 0 || request->state != REQUEST_SERVED)
            continue;
        request->state = REQUEST_ANSWERED;
        tell_asker(requests, request->token, refused != NULL ? RELOAD_REFUSED : RELOAD_DONE,
                   refused);
    }
}
