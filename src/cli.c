#include "cli.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "config/config.h"

static void take_file(struct cli *cli, const char *arg) {
    cli->file = arg;
}

static void take_proxy(struct cli *cli, const char *arg) {
    cli->proxy = arg;
}

static void take_listen(struct cli *cli, const char *arg) {
    cli->listen = arg;
}

static void take_changed(struct cli *cli, const char *arg) {
    (void)arg;
    cli->changed = true;
}

static void take_pid(struct cli *cli, const char *arg) {
    char *end;
    long pid = strtol(arg, &end, 10);

    cli->pid = *end == '\0' && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static const struct row {
    char letter; /* 0: none */
    const char *name;
    const char *arg; /* NULL: takes none */
    const char *help;
    void (*take)(struct cli *cli, const char *arg); /* NULL: there is nothing to take */
    enum cli_action action;                         /* CLI_RUN: as it was */
    bool ends;                                      /* nothing after it is looked at */
} rows[] = {
    {'f', "file", "FILE", "read this configuration instead of " CONFIG_DEFAULT_PATH,
     .take = take_file},
    {0, "proxy", "HOST:PORT", "run without a file: relay HTTP to this server", .take = take_proxy},
    {0, "listen", "ADDR", "with --proxy: take connections here instead of " CONFIG_DEFAULT_LISTEN,
     .take = take_listen},
    {'t', "check", NULL,
     "check the configuration, report every error and what was understood, and exit",
     .action = CLI_CHECK},
    {'T', "dump", NULL, "print the configuration in force, defaults included, and exit",
     .action = CLI_DUMP},
    {0, "changed", NULL, "with --dump: print only what differs from the defaults",
     .take = take_changed},
    {0, "reload", "PID",
     "make this running relayd read its configuration again, and wait until it has",
     .take = take_pid, .action = CLI_RELOAD},
    {'V', "version", NULL, "print the version and exit", .action = CLI_VERSION, .ends = true},
    {'h', "help", NULL, "print this help and exit", .action = CLI_HELP, .ends = true},
};

#define STRAY_MAX 512

enum { LONG_ONLY = 256 }; /* getopt's value for rows[i] without a letter: LONG_ONLY + i */

void cli_help(FILE *out) {
    fputs(
        "relayd is a reverse proxy for TCP and HTTP.\n\n"
        "usage: relayd [-t | -T [--changed]] [-f FILE]\n"
        "       relayd [-t | -T [--changed]] [--listen ADDR] --proxy HOST:PORT\n"
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

/* Letters and long names, as getopt_long(3) wants them. */
static void list_options(struct option options[ARRAY_LEN(rows) + 1],
                         char letters[2 * ARRAY_LEN(rows) + 1]) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool takes = rows[i].arg != NULL;

        options[i] = (struct option){rows[i].name, takes ? required_argument : no_argument, NULL,
                                     rows[i].letter != 0 ? rows[i].letter : LONG_ONLY + (int)i};
        if (rows[i].letter == 0)
            continue;
        *letters++ = rows[i].letter;
        if (takes)
            *letters++ = ':';
    }
}

static void take_option(struct cli *cli, const struct row *row, const char *arg) {
    if (row->take != NULL)
        row->take(cli, arg);
    if (row->action != CLI_RUN)
        cli->action = row->action;
}

static bool reject_arguments(const char *why) {
    fprintf(stderr, "relayd: %s; see relayd --help\n", why);
    return false;
}

/* getopt has said which. */
static bool reject_unknown(char **argv) {
    bool verbose = optopt == 'v' || strcmp(argv[optind - 1], "--verbose") == 0;

    return reject_arguments(verbose ? "-V is the version; how much is logged is log_level in the "
                                      "file, as in log_level = debug"
                                    : "wrong arguments");
}

/* What was probably meant by a word that belongs to no option. */
static bool reject_stray(const struct cli *cli, const char *word) {
    bool chosen = cli->file != NULL || cli->proxy != NULL || cli->action == CLI_RELOAD;
    bool file = strchr(word, '/') != NULL || text_before_end(word, ".conf") > 0;
    char why[STRAY_MAX];

    snprintf(why, sizeof(why), "takes no arguments but options%s",
             chosen                      ? ""
             : file                      ? "; a file is named with -f: -f "
             : strchr(word, ':') != NULL ? "; a server is named with --proxy: --proxy "
                                         : "; commands are relayctl's: relayctl ");
    text_append(why, sizeof(why), "%s", chosen ? "" : word);
    return reject_arguments(why);
}

/* Whether the options go together. */
static bool check_options(const struct cli *cli) {
    if (cli->action == CLI_RELOAD && cli->pid == 0)
        return reject_arguments("--reload takes the process number of a running relayd");
    if (cli->changed && cli->action != CLI_DUMP)
        return reject_arguments("--changed needs --dump");
    if (cli->proxy != NULL && cli->file != NULL)
        return reject_arguments("--proxy runs without a file: give -f or --proxy, not both");
    if (cli->listen != NULL && cli->proxy == NULL)
        return reject_arguments("--listen needs --proxy; in a file, say address = ...");
    return true;
}

bool cli_parse(int argc, char **argv, struct cli *ret_cli) {
    struct option options[ARRAY_LEN(rows) + 1] = {0};
    char letters[2 * ARRAY_LEN(rows) + 1] = "";
    struct cli cli = {.action = CLI_RUN};
    int value;

    list_options(options, letters);
    while ((value = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        const struct row *row = find_row(value);

        if (row == NULL)
            return reject_unknown(argv);
        take_option(&cli, row, optarg);
        if (row->ends) {
            *ret_cli = cli;
            return true;
        }
    }
    if (optind < argc)
        return reject_stray(&cli, argv[optind]);
    if (!check_options(&cli))
        return false;
    *ret_cli = cli;
    return true;
}
