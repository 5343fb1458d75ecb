#include "conn/pulse.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TCP_STATE_CLOSE 7 /* tcpi_state: linux/tcp_states.h, which is not for programs */

/* A peer that takes nothing (its window is closed) is asked again and again whether it does
 * (tcpi_probes counts what it has not answered; one question may be on its way). What is in flight
 * is sent again and again; an end of data alone counts as no data that was sent, so there the
 * repetitions tell. Those go on to a peer that answers, too, if it has closed its window over what
 * was sent. */
static bool is_unanswered(const struct tcp_info *info) {
    return info->tcpi_probes > 1 ||
           (info->tcpi_unacked > 0 && (info->tcpi_last_data_sent < info->tcpi_last_ack_recv ||
                                       (info->tcpi_retransmits > 0 && info->tcpi_snd_wnd > 0)));
}

struct pulse pulse_take(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    int queued = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        return (struct pulse){.tcp = true,
                              .on_its_way = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0,
                              .unsent = info.tcpi_notsent_bytes > 0,
                              .taken = info.tcpi_bytes_acked,
                              .unanswered = is_unanswered(&info),
                              .heard_of = info.tcpi_last_ack_recv * USEC_PER_MSEC,
                              .closed = info.tcpi_state == TCP_STATE_CLOSE};
    /* Of a unix socket, what stands in its queue. It may look unchanged while the peer takes and a
     * pump refills. */
    if (ioctl(fd, SIOCOUTQ, &queued) < 0)
        queued = 0;
    return (struct pulse){.on_its_way = queued > 0, .taken = (uint64_t)queued};
}

int pulse_gone(int fd) {
    return send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

int pulse_error(int fd) {
    int error = 0;
    socklen_t size = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : 0;
}
