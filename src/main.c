/* relayd: arguments to actions, outcomes to exit codes (sysexits.h). */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/kill_point.h"
#include "base/log.h"
#include "base/nonce_watch.h"
#include "cli.h"
#include "config/config.h"
#include "config/warnings.h"
#include "daemon/address_check.h"
#include "daemon/reload_request.h"
#include "daemon/daemon.h"
#include "daemon/name_check.h"
#include "daemon/rights.h"
#include "version.h"

/* A check is somebody at a terminal; a start may be systemd's, and its errors belong into the
 * journal. */
static void print_error(void *arg, const char *sentence) {
    (void)arg;
    fprintf(stderr, "%s\n", sentence);
}

static void print_warning(void *arg, const char *where, const char *sentence) {
    (void)arg;
    fprintf(stderr, "%swarning: %s\n", where, sentence);
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

/* A container's first process loses a signal that is neither handled nor blocked, and inherits
 * orphans, as those of `docker exec` (pid_namespaces(7)). A TERM that comes while the file is read
 * stops it once the start is over; orphans leave no zombies. */
static void take_duties_of_init(void) {
    sigset_t set;

    if (getpid() != 1)
        return;
    (void)signal(SIGCHLD, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static const char *config_path(const struct cli *cli) {
    return cli->file != NULL ? cli->file : CONFIG_DEFAULT_PATH;
}

/* NULL, after on_error was told why. */
static struct config *load_config(const struct cli *cli, config_error_fn *on_error) {
    return cli->proxy != NULL ? config_from_arguments(cli->listen, cli->proxy, on_error, NULL)
                              : config_load(config_path(cli), on_error, NULL);
}

static int load_failed(const struct cli *cli) {
    return cli->proxy != NULL ? EX_USAGE : EX_CONFIG;
}

static int flush_output(void) {
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int run_daemon(const struct cli *cli) {
    bool from_file = cli->proxy == NULL;

    if (KILL_POINTS && (!kill_point_arm() || !nonce_watch_open()))
        return EX_USAGE;
    take_duties_of_init();
    keep_reloads_for_later();
    struct config *config = load_config(cli, from_file ? log_error : print_error);
    if (config == NULL)
        return load_failed(cli);
    return daemon_run(config, from_file ? config_path(cli) : NULL);
}

static int check_config(const struct cli *cli) {
    struct config *config = load_config(cli, print_error);
    bool from_file = cli->proxy == NULL;

    if (config == NULL)
        return load_failed(cli);
    warnings_tell(config, print_warning, NULL);
    warnings_tell_asked(config, print_warning, NULL);
    warnings_tell_public(config, print_warning, NULL);
    rights_check(config, from_file && strcmp(config_path(cli), CONFIG_DEFAULT_PATH) == 0,
                 print_warning, NULL);
    address_check(config, print_warning, NULL);
    name_check(config, print_warning, NULL);
    config_summarize(config, stdout);
    printf("%s: the configuration is valid.\n", from_file ? config_path(cli) : "--proxy");
    config_unref(config);
    return flush_output();
}

static int dump_config(const struct cli *cli) {
    struct config *config = load_config(cli, print_error);

    if (config == NULL)
        return load_failed(cli);
    config_dump(config, cli->changed, stdout);
    config_unref(config);
    return flush_output();
}

static int reload_other(const struct cli *cli) {
    return reload_request_make(cli->pid);
}

static int print_version(const struct cli *cli) {
    (void)cli;
    puts("relayd " RELAYD_VERSION);
    if (KILL_POINTS)
        puts("for tests: it has kill points");
    return flush_output();
}

static int print_help(const struct cli *cli) {
    (void)cli;
    cli_help(stdout);
    return flush_output();
}

int main(int argc, char **argv) {
    static int (*const actions[])(const struct cli *cli) = {
        [CLI_RUN] = run_daemon,      [CLI_CHECK] = check_config,    [CLI_DUMP] = dump_config,
        [CLI_RELOAD] = reload_other, [CLI_VERSION] = print_version, [CLI_HELP] = print_help,
    };
    struct cli cli;

    if (!cli_parse(argc, argv, &cli))
        return EX_USAGE;
    return actions[cli.action](&cli);
}
