#include "cli.h"

#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/config.h"

static const struct row {
    char letter; /* 0: none */
    const char *name;
    const char *arg; /* NULL: takes none */
    const char *help;
} rows[] = {
    {'f', "file", "FILE", "read this configuration instead of " CONFIG_DEFAULT_PATH},
    {0, "proxy", "HOST:PORT", "run without a file: relay HTTP to this server"},
    {0, "listen", "ADDR", "with --proxy: take connections here instead of " CONFIG_DEFAULT_LISTEN},
    {'t', "check", NULL, "check the configuration, report every error, and exit"},
    {'T', "dump", NULL, "print the configuration in force, defaults included, and exit"},
    {0, "reload", "PID",
     "make this running relayd read its configuration again, and wait until it has"},
    {'V', "version", NULL, "print the version and exit"},
    {'h', "help", NULL, "print this help and exit"},
};

enum { LONG_ONLY = 256 }; /* getopt's value for rows[i] without a letter: LONG_ONLY + i */

void cli_help(FILE *out) {
    fputs(
        "relayd relays TCP connections to another server.\n\n"
        "usage: relayd [-t | -T] [-f FILE]\n"
        "       relayd [-t | -T] [--listen ADDR] --proxy HOST:PORT\n"
        "       relayd --reload PID\n\n",
        out);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        char left[40];

        snprintf(left, sizeof(left), "%s%s --%s %s", row->letter != 0 ? "-" : "  ",
                 row->letter != 0 ? (char[]){row->letter, ',', '\0'} : " ", row->name,
                 row->arg != NULL ? row->arg : "");
        fprintf(out, "  %-24s %s\n", left, row->help);
    }
    fputs(
        "\nADDR is 1.2.3.4:80, [::1]:80, name:80, :80, 80 or unix:/path.\n"
        "HUP reads the configuration again. TERM and INT let connections finish, then stop; a "
        "second one stops at once.\n"
        "See relayd(8) and relayd.conf(5).\n",
        out);
}

static const struct row *find_row(int value) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (value == (rows[i].letter != 0 ? rows[i].letter : LONG_ONLY + (int)i))
            return &rows[i];
    return NULL;
}

static void take_pid(struct cli *cli, const char *text) {
    char *end;
    long pid = strtol(text, &end, 10);

    cli->action = CLI_RELOAD;
    cli->pid = *end == '\0' && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static void take(struct cli *cli, const struct row *row, const char *arg) {
    if (strcmp(row->name, "file") == 0)
        cli->file = arg;
    else if (strcmp(row->name, "proxy") == 0)
        cli->proxy = arg;
    else if (strcmp(row->name, "listen") == 0)
        cli->listen = arg;
    else if (strcmp(row->name, "check") == 0)
        cli->action = CLI_CHECK;
    else if (strcmp(row->name, "dump") == 0)
        cli->action = CLI_DUMP;
    else if (strcmp(row->name, "reload") == 0)
        take_pid(cli, arg);
    else if (strcmp(row->name, "version") == 0)
        cli->action = CLI_VERSION;
    else
        cli->action = CLI_HELP;
}

static int complain(const char *what) {
    fprintf(stderr, "relayd: %s; see relayd --help\n", what);
    return -1;
}

int cli_parse(int argc, char **argv, struct cli *ret_cli) {
    struct option options[ARRAY_LEN(rows) + 1] = {0};
    char letters[2 * ARRAY_LEN(rows) + 1] = "";
    struct cli cli = {.action = CLI_RUN};
    size_t n = 0;
    int value;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool takes = rows[i].arg != NULL;

        options[i] = (struct option){rows[i].name, takes ? required_argument : no_argument, NULL,
                                     rows[i].letter != 0 ? rows[i].letter : LONG_ONLY + (int)i};
        if (rows[i].letter == 0)
            continue;
        letters[n++] = rows[i].letter;
        if (takes)
            letters[n++] = ':';
    }
    while ((value = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        const struct row *row = find_row(value);

        if (row == NULL)
            return complain("wrong arguments"); /* getopt has said which */
        take(&cli, row, optarg);
        if (cli.action == CLI_VERSION || cli.action == CLI_HELP)
            break;
    }
    if (cli.action != CLI_VERSION && cli.action != CLI_HELP) {
        if (optind < argc)
            return complain("takes no arguments but options");
        if (cli.action == CLI_RELOAD && cli.pid == 0)
            return complain("--reload takes the process number of a running relayd");
        if (cli.proxy != NULL && cli.file != NULL)
            return complain("--proxy runs without a file: give -f or --proxy, not both");
        if (cli.listen != NULL && cli.proxy == NULL)
            return complain("--listen needs --proxy; in a file, say address = ...");
    }
    *ret_cli = cli;
    return 0;
}
