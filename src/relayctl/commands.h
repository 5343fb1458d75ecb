/* What relayctl can be told. */
#ifndef RELAYCTL_COMMANDS_H
#define RELAYCTL_COMMANDS_H

#include "relayctl/ask.h"

/* Which options a command has; a bit each. */
enum command_option {
    OPTION_WAIT = 1, /* and --timeout */
    OPTION_RESET = 2,
    OPTION_YES = 4,
    OPTION_FOR = 8,
};

struct command {
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *help;
    int (*run)(const struct ask *ask); /* an exit status (sysexits.h), or ASK_REFUSED */
    unsigned options;
};

/* In the order of --help. */
extern const struct command commands[];
extern const size_t n_commands;

/* Says "relayctl: WHAT: WORD; see relayctl --help". Returns EX_USAGE. */
int wrong_command(const char *what, const char *word);

/* look.c: these change nothing. */
int show_status(const struct ask *ask);
int show_servers(const struct ask *ask);
int show_metrics(const struct ask *ask);
int show_explanation(const struct ask *ask);
int show_ready(const struct ask *ask);

/* follow.c: these go on. */
int show_tail(const struct ask *ask);
int show_events(const struct ask *ask);
int show_top(const struct ask *ask); /* top.c */

/* act.c: these act; show_ready and show_servers hand over to two of them. */
int act_drain(const struct ask *ask);
int act_down(const struct ask *ask);
int act_ready(const struct ask *ask);
int act_weight(const struct ask *ask);
int act_reset(const struct ask *ask);

/* Asks for the page with words as "server=app/a", and says what was done. */
int act_by(const struct ask *ask, const char *page, char *const words[], size_t n);

int act_reload(const struct ask *ask);
int act_check(const struct ask *ask);

int show_connection(const struct ask *ask); /* connection.c */

/* clients.c */
int show_connections(const struct ask *ask);
int show_blocks(const struct ask *ask);
int show_certificates(const struct ask *ask);
int show_client(const struct ask *ask); /* explain ADDRESS, or NAME */
int act_kill(const struct ask *ask);
int act_drain_client(const struct ask *ask);
int act_block(const struct ask *ask);
int act_unblock(const struct ask *ask);
int act_lame_duck(const struct ask *ask);

#endif
