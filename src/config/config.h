/* The operator's file as one immutable, reference-counted struct config.
 *
 * config_load reads it through libconfuse and reports all errors. It is read without
 * a lock; all that works under it holds a reference. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/pattern.h"
#include "base/prefix.h"
#include "base/socket_file.h"
#include "base/source.h"
#include "config/places.h"
#include "config/route_config.h"

#define CONFIG_DEFAULT_PATH   "/etc/relayd.conf"
#define CONFIG_DEFAULT_LISTEN ":8080"
#define CONFIG_SIZE_MAX       ((size_t)1 << 20) /* bytes of a file */
#define CONFIG_NAME_MAX       64                /* bytes of a section's title, NUL included */
#define COOKIE_SECRET_SIZE    32
#define COOKIE_NAME_MOST      64
#define COOKIE_KEY_LEAST      32 /* characters */

/* Values of the CHOICE options, in their rows' order. */
enum when_full { WHEN_FULL_WAIT, WHEN_FULL_REJECT };
enum log_connections { LOG_CONNECTIONS_ALL, LOG_CONNECTIONS_FAILED, LOG_CONNECTIONS_NONE };
enum log_requests { LOG_REQUESTS_ALL, LOG_REQUESTS_FAILED, LOG_REQUESTS_SLOW, LOG_REQUESTS_NONE };
enum access_format { ACCESS_COMBINED, ACCESS_JSON };
enum on_term { ON_TERM_AUTO, ON_TERM_DRAIN, ON_TERM_LEAVE };
enum listener_mode { MODE_TCP, MODE_HTTP };
enum reuse { REUSE_PRIVATE, REUSE_PROVEN };
enum idle_end { IDLE_END_RESET, IDLE_END_CLOSE };
enum copy_mode { COPY_AUTO, COPY_BUFFER, COPY_SPLICE };
enum on_down { ON_DOWN_KEEP, ON_DOWN_RESET };
enum balance_each { BALANCE_EACH_CONNECTION, BALANCE_EACH_REQUEST };
enum check_type {
    CHECK_TCP,
    CHECK_HTTP,
    CHECK_MYSQL,
    CHECK_POSTGRES,
    CHECK_REDIS,
    CHECK_SMTP,
    CHECK_TALK
};

/* For a prefix in both lists deny, the greater, counts. */
enum access_value { ACCESS_ALLOW, ACCESS_DENY };

/* Prefixes, as written. */
struct prefix_list {
    char **texts;
    size_t n;
};

struct global_config {
    int64_t workers;
    int64_t queue_size;
    usec_t queue_timeout;
    int64_t max_connections;
    int64_t max_openings;
    int when_full; /* enum when_full */
    usec_t drain_timeout;
    usec_t drain_idle; /* 0: never */
    usec_t lame_duck_time;
    int log_level;       /* index in the row's choices; config_log_level() translates */
    int log_connections; /* enum log_connections */
    char *log_requests;  /* as written; and what it means: */
    enum log_requests requests;
    usec_t slow_requests; /* of LOG_REQUESTS_SLOW */
    char *access_log;     /* "": none */
    int access_log_line;  /* in the file; 0: it is not there */
    int access_format;    /* enum access_format */
    int log_format;       /* enum log_format */
    char *keeper;         /* "auto", "off", or the path of a socket */
    usec_t keeper_timeout;
    char *control;    /* "auto", "off", or the path of a socket */
    int control_line; /* in the file; 0: it is not there */
    char *instance;   /* "": that of the file's path */
    int on_term;      /* enum on_term */
};

/* As written, and as read. */
struct listen_address {
    char *text;
    bool systemd; /* "systemd": the sockets passed under the listener's name */
    struct addr_spec spec;
};

/* A socket of the status section. */
struct status_place {
    struct addr addr;
    bool any; /* every local address; IPv4 will do without IPv6 */
    const struct listen_address *address;
};

struct status_config {
    bool given;
    int line;
    struct listen_address *address;
    size_t n_address;
    bool clients;
    struct status_place *places; /* what that means, once names are known (listen_names_find) */
    size_t n_places;
};

struct route_index; /* config/route_index.h */
struct tls_server;  /* tls/server.h */

/* Its values are the defaults if the section is not there. */
struct listener_tls_config {
    bool given;
    int line;
    struct text_list certificate; /* paths, or credentials */
    char *key;
    int min_version; /* enum tls_least_version */
    char *ciphers, *groups;
    struct text_list alpn;
    int verify_client; /* enum tls_verify_client */
    char *ca, *crl;
    bool tickets;
    char *ticket_keys;
    bool outlive;              /* the keys of its connections may lie in the table */
    struct tls_server *server; /* what all that means; NULL: not given */
};

struct listener_config {
    char name[CONFIG_NAME_MAX];
    int line;
    struct listen_address *address;
    size_t n_address;
    size_t upstream; /* index in config.upstreams, for whom no route takes; or NO_UPSTREAM */
    struct route_config *routes;
    size_t n_routes; /* at least 1 without an upstream or a redirect */
    int mode;        /* enum listener_mode */
    int64_t backlog;
    bool ip_freebind;
    usec_t idle_timeout; /* 0: never */
    int idle_end;        /* enum idle_end */
    int64_t min_rate;    /* bytes a second; 0: none */
    bool half_close;
    usec_t linger_timeout;
    usec_t keepalive; /* 0: off */
    int copy;         /* enum copy_mode */
    int accept_proxy; /* enum proxy_version */
    struct prefix_list proxy_from, allow, deny;
    struct prefix_set *senders; /* proxy_from, with value 0 */
    struct prefix_set *access;  /* allow and deny, with enum access_value; NULL: both are empty */
    usec_t proxy_timeout;       /* for the whole PROXY header */
    usec_t opening_timeout;     /* for all that comes before a dial */
    int64_t max_connections;    /* these three: 0: no limit */
    int64_t max_connections_per_client;
    int64_t max_rate_per_client;                    /* new connections a second */
    int64_t client_prefix_v6;                       /* bits of an IPv6 client */
    char *socket_mode, *socket_user, *socket_group; /* of unix sockets; and what they mean: */
    struct socket_access socket_access;
    int access_line;   /* of the last of these three in the file; 0: none */
    char *error_pages; /* a folder, or ""; and what it holds: */
    struct error_pages *pages;
    /* From here on of mode http. These are read through a route: its own, or `own`. */
    char *redirect;
    int redirect_code;
    int64_t max_body;
    usec_t response_timeout, hsts;
    struct text_list set_request, add_request, remove_request;
    struct text_list set_response, add_response, remove_response;
    struct route_config own;   /* of requests that no route takes */
    struct route_index *index; /* finds the route of a request; NULL: no routes, or mode tcp */
    usec_t head_timeout;       /* for the head of a request */
    usec_t keepalive_timeout;  /* between two */
    usec_t soonest_timeout;    /* of these two and the response_timeouts of all routes */
    int reuse;                 /* enum reuse */
    bool websocket, forwarded, via, request_id;
    struct prefix_list trusted_proxies;
    struct prefix_set *trusted; /* that, with value 0; NULL: empty */
    struct listener_tls_config tls;
};

struct server_config {
    char name[CONFIG_NAME_MAX];
    int line;
    char *address_text;
    struct addr_spec address;
    char host[ADDR_NAME_MAX]; /* for TLS: the address' host; "": none, or no tls section */
    int64_t weight;           /* 0: no new connections */
    bool backup;
    int64_t max_connections; /* 0: no limit */
};

#define SOURCES_MOST 64

/* Good statuses of an HTTP check, both included. */
struct status_range {
    int first, last;
};

#define STATUS_RANGES_MAX 8

struct health_check_config {
    bool given; /* servers are checked */
    int line;
    int type; /* enum check_type */
    usec_t interval, timeout;
    int64_t rise, fall;
    char *path; /* this and the next of type http */
    char *host; /* "": the server's address as written */
    char *user; /* of types mysql and postgres */
    char *send; /* of type talk, as written */
    char *expect;
    struct status_range expected[STATUS_RANGES_MAX]; /* its meaning for type http, */
    size_t n_expected;
    struct pattern *pattern; /* and for type talk; else NULL */
};

struct tls_client; /* tls/client.h */

/* Its values are the defaults if the section is not there. */
struct upstream_tls_config {
    bool given;
    int line;
    bool verify;
    char *ca;
    char *name; /* "": the host of a server's address */
    struct text_list alpn;
    char *certificate, *key;
    bool outlive;              /* likewise */
    struct tls_client *client; /* what all that means; NULL: not given */
};

struct upstream_config {
    char name[CONFIG_NAME_MAX];
    int line;
    usec_t connect_timeout;
    int64_t connect_attempts;
    usec_t resolve_interval;
    int balance;      /* enum balance */
    int balance_each; /* enum balance_each */
    char *cookie;     /* these two of balance = cookie: the name of the cookie, */
    char *cookie_key; /* and a secret, or ""; and what both this and the machine come to: */
    uint8_t cookie_secret[COOKIE_SECRET_SIZE];
    int64_t max_fails; /* 0: servers are never left alone */
    usec_t fail_timeout;
    int send_proxy; /* enum proxy_version, but for PROXY_ANY */
    struct source_list source_address;
    /* a server that came back regains its share over this; 0: at once */
    usec_t slow_start;
    int on_down; /* enum on_down */
    struct health_check_config health_check;
    struct upstream_tls_config tls;
    struct server_config *servers;
    size_t n_servers; /* at least 1 */
    bool drained;     /* all of them have weight 0 */
    bool serves_http; /* a listener in mode http leads here */
};

/* An option of type TEXT that is "credential:NAME" in the file. */
struct secret {
    const char *value; /* the option's */
    char *written;
};

/* What is doubtful in files that the configuration names, found as they were read. */
struct config_note {
    int line;
    bool asked; /* only who asks for a check is told */
    char *what; /* a clause */
};

struct config {
    char *path;           /* as given; "command line" without a file */
    bool from_arguments;  /* nobody chose defaults, or wants to hear of them */
    struct places places; /* what line numbers here mean */
    struct global_config global;
    struct status_config status;
    struct listener_config *listeners;
    size_t n_listeners; /* at least 1 */
    struct upstream_config *upstreams;
    size_t n_upstreams; /* at least 1 */
    struct secret *secrets;
    size_t n_secrets;
    struct config_note *notes; /* in the order of the file, for warnings.c */
    size_t n_notes;
    uint32_t fingerprint; /* of what config_dump prints: secrets are not in it */
};

/* Called for each error, in the file's order: "FILE:LINE: ...". */
typedef void config_error_fn(void *arg, const char *sentence);

/* A config with one reference, or NULL after at least one call of on_error. Any
 * thread, several at once (libconfuse's scanner has a lock: load.c). */
struct config *config_load(const char *path, config_error_fn *on_error, void *arg);

/* The configuration of `relayd [--listen ADDR] --proxy HOST:PORT`: listener "web" in mode http,
 * upstream "app", server "a". listen NULL: CONFIG_DEFAULT_LISTEN. Errors begin with "--proxy: " or
 * "--listen: ". */
struct config *config_from_arguments(const char *listen, const char *proxy,
                                     config_error_fn *on_error, void *arg);

/* where: "PATH:LINE: ". That it is a warning is said by whoever shows it, as a log does anyway. */
typedef void config_warning_fn(void *arg, const char *where, const char *sentence);

/* Calls on_warning; fmt makes the sentence, without full stop. */
void config_warn_of(const struct config *config, int line, config_warning_fn *on_warning, void *arg,
                    const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Prints it in the file's syntax; it loads to the same. changed: without defaults. Secrets are
 * printed as written. */
void config_dump(const struct config *config, bool changed, FILE *out);

/* Sets config->fingerprint; without memory it stays 0. Before it is shared. */
void config_take_fingerprint(struct config *config);

/* Prints a line for each listener, upstream and server. */
void config_summarize(const struct config *config, FILE *out);

/* One reference and only its path, to be filled in (config/build.h). NULL: no memory. config_unref
 * also frees one half built. */
struct config *config_new(const char *path);

/* Any thread. */
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* The i-th upstream, of n_routes + 1, that its connections may go to, or NO_UPSTREAM: the routes'
 * in their order, then its own. */
size_t listener_upstream(const struct listener_config *listener, size_t i);

/* Whether any of these is this one. */
bool listener_leads_to(const struct listener_config *listener, size_t upstream);

/* Whether clients begin with a ClientHello, to be routed by it or for a handshake here. (Routes of
 * mode http go by each request.) */
bool listener_hears_hello(const struct listener_config *listener);

/* Whether clients are heard before the pumps have them, or a server is dialled: a PROXY header, a
 * ClientHello. */
bool listener_opens(const struct listener_config *listener);

/* log_level as syslog's number (enum log_level). */
int config_log_level(const struct config *config);

#endif
