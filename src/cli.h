/* The command line: one table of options, from which parsing, actions and --help come. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/check.h"

enum cli_action { CLI_RUN, CLI_CHECK, CLI_DUMP, CLI_RELOAD, CLI_VERSION, CLI_HELP };

struct cli {
    enum cli_action action;
    const char *file;   /* NULL: not given */
    const char *listen; /* NULL: not given */
    const char *proxy;  /* NULL: not given */
    pid_t pid;          /* of CLI_RELOAD */
    bool changed;       /* of CLI_DUMP: what is at its default is left out */
};

/* Reads the arguments. The strings are argv's. False: they are wrong, as stderr was told. */
bool cli_parse(int argc, char **argv, struct cli *ret_cli) MUST_USE;

void cli_help(FILE *out);

#endif
