/* What becomes of a failed accept4(2). */
#ifndef LISTEN_ACCEPT_FAILURE_H
#define LISTEN_ACCEPT_FAILURE_H

enum accept_failure {
    ACCEPT_FAILURE_PEER,      /* of the client or its network: on to the next */
    ACCEPT_FAILURE_RESOURCES, /* of this machine: to be waited for */
    ACCEPT_FAILURE_OTHER,
};

/* Which kind an errno is; counts it. Any thread. */
enum accept_failure accept_failure_count(int error);

#endif
