#include "relayctl/commands.h"

#include <stdio.h>
#include <sysexits.h>

#include "base/check.h"

const struct command commands[] = {
    {"status", NULL, "all on one screen; so does relayctl without a command", show_status},
    {"servers", "[UPSTREAM/SERVER]", "each server and address: its state, and why", show_servers,
     OPTION_RESET},
    {"connections", "[FILTER]...", "each one; client= tls_client= listener= server= sort= ...",
     show_connections},
    {"connection", "NUMBER", "one: sockets, TCP, options, the keeper's hold", show_connection},
    {"tail", "[FILTER]...", "ends of connections, or of=requests, as they come; status=5xx ...",
     show_tail},
    {"events", "[follow=no]", "what else the log gets, as it comes: up, down, reload", show_events},
    {"top", "[TAB]", "live: servers, connections, clients or events", show_top},
    {"metrics", NULL, "counters and gauges, as Prometheus reads them", show_metrics},
    {"explain", "CODE|ADDRESS|NAME", "an end code, a client, or a name it asks for",
     show_explanation},
    {"drain", "UPSTREAM/SERVER", "no new connections; those there are may finish", act_drain,
     OPTION_WAIT},
    {"down", "UPSTREAM/SERVER", "the same; on_down says what becomes of those", act_down,
     OPTION_WAIT},
    {"weight", "UPSTREAM/SERVER N", "another than the file's, 0 to 1000; or: file", act_weight},
    {"ready", "[UPSTREAM/SERVER]", "lifts drain and down; alone: are clients served?", show_ready},
    {"kill", "FILTER...", "resets those of these filters; all=yes: all", act_kill, OPTION_YES},
    {"drain-client", "FILTER...", "ends them in order, once silent for drain_idle",
     act_drain_client, OPTION_YES},
    {"block", "PREFIX", "refuses these clients", act_block, OPTION_FOR | OPTION_YES},
    {"unblock", "PREFIX", "lets them in again", act_unblock},
    {"blocks", NULL, "who is blocked, by whom, until when", show_blocks},
    {"certificates", NULL, "names, until when, files", show_certificates},
    {"reload", NULL, "puts the file in force, or says why not", act_reload},
    {"check", "[UPSTREAM/SERVER]", "what is wrong with the file; or: checks a server", act_check},
    {"lame-duck", "[off]", "GET /ready says no, clients are still served", act_lame_duck},
};

const size_t n_commands = ARRAY_LEN(commands);

int wrong_command(const char *what, const char *word) {
    fprintf(stderr, "relayctl: %s%s%s; see relayctl --help\n", what, word[0] != '\0' ? ": " : "",
            word);
    return EX_USAGE;
}
