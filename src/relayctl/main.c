/* relayctl: asks a running relayd at its control socket, and prints what it says. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "config/suggest.h"
#include "control/control.h"
#include "relayctl/commands.h"
#include "version.h"

static int print_relayctl_help(void) {
    puts(
        "relayctl asks a running relayd.\n\n"
        "usage: relayctl [-s SOCKET] [--json] [COMMAND]\n");
    for (size_t i = 0; i < n_commands; i++)
        printf("  %s%s%-*s %s\n", commands[i].name, commands[i].argument != NULL ? " " : "",
               (int)(24 - strlen(commands[i].name) - (commands[i].argument != NULL)),
               commands[i].argument != NULL ? commands[i].argument : "", commands[i].help);
    puts("\n  -s, --socket FILE        ask here, not at " CONTROL_SOCKET
         "\n"
         "      --json               print the answer as it came\n"
         "      --reconnect          with tail and events: go on with the next relayd\n"
         "  -b, --batch              top: print it, without keys\n"
         "  -n, --rounds NUMBER      top -b: so often\n"
         "      --wait               drain, down: until the server has no connection\n"
         "      --timeout TIME       --wait: at most so long, as 90s or 10m; then exit 1\n"
         "      --yes                kill, drain-client, block: ask nobody\n"
         "      --for TIME           block: for so long, as 1h; else until it is lifted\n"
         "      --reset              servers: back to what the file says, of one or all\n"
         "  -V, --version            print the version and exit\n"
         "  -h, --help               print this help and exit\n\n"
         "It exits 0; 1 if it was refused, or relayd is not ready; 64 if the command is\n"
         "wrong; 69 if no relayd answers.\n"
         "See relayctl(8).");
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static unsigned given_options(const struct ask *ask) {
    return (ask->wait || ask->timeout != NULL ? OPTION_WAIT : 0) | (ask->reset ? OPTION_RESET : 0) |
           (ask->yes ? OPTION_YES : 0) | (ask->span != NULL ? OPTION_FOR : 0);
}

static int unknown_command(const char *name) {
    const char *meant = NULL;

    for (size_t i = 0; i < n_commands; i++)
        if (suggest_is_near(name, commands[i].name) &&
            (meant == NULL || text_distance(name, commands[i].name) < text_distance(name, meant)))
            meant = commands[i].name;
    if (meant == NULL)
        return wrong_command("there is no such command", name);
    fprintf(stderr, "relayctl: there is no command %s; did you mean %s?\n", name, meant);
    return EX_USAGE;
}

static int run_command(struct ask *ask, const char *name) {
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        if (commands[i].argument == NULL && ask->n_words > 0)
            return wrong_command("this command takes no argument", ask->words[0]);
        if (given_options(ask) & ~commands[i].options)
            return wrong_command("this command has no such option", name);
        int r = commands[i].run(ask);
        return fflush(stdout) == 0 ? r : EX_IOERR;
    }
    return unknown_command(name);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"reconnect", no_argument, NULL, 'r'},
                                            {"batch", no_argument, NULL, 'b'},
                                            {"rounds", required_argument, NULL, 'n'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"reset", no_argument, NULL, 'R'},
                                            {"yes", no_argument, NULL, 'y'},
                                            {"for", required_argument, NULL, 'f'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct ask ask = {.socket = CONTROL_SOCKET};
    int option;

    while ((option = getopt_long(argc, argv, "s:bn:Vh", options, NULL)) != -1) {
        switch (option) {
        case 's':
            ask.socket = optarg;
            break;
        case 'j':
            ask.json = true;
            break;
        case 'r':
            ask.reconnect = true;
            break;
        case 'b':
            ask.batch = true;
            break;
        case 'n':
            ask.rounds = strtol(optarg, NULL, 10);
            break;
        case 'w':
            ask.wait = true;
            break;
        case 't':
            ask.timeout = optarg;
            break;
        case 'y':
            ask.yes = true;
            break;
        case 'f':
            ask.span = optarg;
            break;
        case 'R':
            ask.reset = true;
            break;
        case 'V':
            puts("relayctl " RELAYD_VERSION);
            return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
        case 'h':
            return print_relayctl_help();
        default:
            return wrong_command("wrong arguments", "");
        }
    }
    const char *name = optind < argc ? argv[optind++] : "status";
    if (strcmp(name, "help") == 0)
        return print_relayctl_help();
    ask.words = argv + optind;
    ask.n_words = (size_t)(argc - optind);
    return run_command(&ask, name);
}
