#include "relayctl/commands.h"

#include <stdio.h>
#include <sysexits.h>

#include "base/check.h"

const struct command commands[] = {
    {"status", NULL, "all on one screen; so does relayctl without a command", show_status},
    {"servers", "[UPSTREAM/SERVER]", "each server and address: its state, and why", show_servers,
     OPTION_RESET},
    {"connections", "[FILTER]...",
     "each connection; client=, listener=, server=, age=, rate=, sort=", show_connections},
    {"connection", "NUMBER", "one of them: sockets, TCP, options, what the keeper holds",
     show_connection},
    {"tail", "[FILTER]...", "ends of connections as they come; also end=CODE, failed=yes",
     show_tail},
    {"events", "[follow=no]", "what else the log gets, as it comes: up, down, reload", show_events},
    {"top", "[TAB]", "a live screen: servers, connections, clients, events; keys as in htop",
     show_top},
    {"metrics", NULL, "counters and gauges, as Prometheus reads them", show_metrics},
    {"explain", "CODE|ADDRESS",
     "an end code of the log; or: is this client let in, and where does it go", show_explanation},
    {"drain", "UPSTREAM/SERVER", "no new connections to this server; those there are may finish",
     act_drain, OPTION_WAIT},
    {"down", "UPSTREAM/SERVER", "the same for maintenance; on_down says what becomes of those",
     act_down, OPTION_WAIT},
    {"weight", "UPSTREAM/SERVER N", "another weight, 0 to 1000, than the file's; file: that again",
     act_weight},
    {"ready", "[UPSTREAM/SERVER]", "lifts drain and down; alone: are clients served? exit 0, or 1",
     show_ready},
    {"kill", "FILTER...", "resets connections, of the filters of connections; all=yes: all",
     act_kill, OPTION_YES},
    {"drain-client", "FILTER...", "ends them in order, once they are silent for drain_idle",
     act_drain_client, OPTION_YES},
    {"block", "PREFIX", "refuses these clients", act_block, OPTION_FOR | OPTION_YES},
    {"unblock", "PREFIX", "lets them in again", act_unblock},
    {"blocks", NULL, "who is blocked, by whom, until when", show_blocks},
    {"reload", NULL, "puts the file in force: waits until it is done, or says why not", act_reload},
    {"check", "[UPSTREAM/SERVER]", "what is wrong with the file now; or: checks this server now",
     act_check},
    {"lame-duck", "[off]", "GET /ready says no from now on, and clients are still served",
     act_lame_duck},
};

const size_t n_commands = ARRAY_LEN(commands);

int wrong_command(const char *what, const char *word) {
    fprintf(stderr, "relayctl: %s%s%s; see relayctl --help\n", what, word[0] != '\0' ? ": " : "",
            word);
    return EX_USAGE;
}
