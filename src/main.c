/* relayd: arguments to actions, outcomes to exit codes (sysexits.h). */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "cli.h"
#include "config/config.h"
#include "config/warnings.h"
#include "daemon/ask.h"
#include "daemon/daemon.h"
#include "daemon/rights.h"
#include "version.h"

/* A check is somebody at a terminal; a start may be systemd's, and its errors belong into the
 * journal. */
static void print_error(void *arg, const char *sentence) {
    (void)arg;
    fprintf(stderr, "%s\n", sentence);
}

static void log_error(void *arg, const char *sentence) {
    (void)arg;
    log_msg(MSG_CONFIG_ERROR, "%s", sentence);
}

/* Whoever asks for a reload while the file is read for the first time has it once the start is
 * over. (A HUP that nobody waits for would be the end, signal(7).) */
static void keep_reloads_for_later(void) {
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv) {
    struct cli cli;

    if (cli_parse(argc, argv, &cli) < 0)
        return EX_USAGE;
    if (cli.action == CLI_HELP) {
        cli_help(stdout);
        return EX_OK;
    }
    if (cli.action == CLI_VERSION) {
        puts("relayd " RELAYD_VERSION);
        return EX_OK;
    }
    if (cli.action == CLI_RELOAD)
        return ask_reload(cli.pid);
    if (cli.action == CLI_RUN)
        keep_reloads_for_later();
    bool journal = cli.action == CLI_RUN && cli.proxy == NULL;
    config_error_fn *on_error = journal ? log_error : print_error;
    const char *file = cli.file != NULL ? cli.file : CONFIG_DEFAULT_PATH;
    struct config *config = cli.proxy != NULL
                                ? config_from_arguments(cli.listen, cli.proxy, on_error, NULL)
                                : config_load(file, on_error, NULL);
    if (config == NULL)
        return cli.proxy != NULL ? EX_USAGE : EX_CONFIG;
    if (cli.action == CLI_RUN)
        return daemon_run(config, cli.proxy != NULL ? NULL : file);
    if (cli.action == CLI_DUMP)
        config_dump(config, stdout);
    else {
        warnings_tell(config, print_error, NULL);
        rights_check(config, strcmp(file, CONFIG_DEFAULT_PATH) == 0 && cli.proxy == NULL,
                     print_error, NULL);
        printf("%s: the configuration is valid.\n", cli.proxy != NULL ? "--proxy" : file);
    }
    config_unref(config);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
