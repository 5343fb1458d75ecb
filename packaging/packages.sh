# shellcheck shell=bash
# The Debian packages that the project needs, and how a script gets them. Sourced by packaging/quickstart,
# tests/run, tests/bench/compare and packaging/build.

# To build relayd. (meson brings python3, which the demo origin of quickstart runs on.)
# shellcheck disable=SC2034
build_packages=(
    gcc libc6-dev meson ninja-build pkgconf libconfuse-dev libsystemd-dev libc-ares-dev
    libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev libncurses-dev # the control socket, and relayctl
    libssl-dev                                                            # TLS
)

# Beyond these, to test it.
# shellcheck disable=SC2034
test_packages=(
    libcmocka-dev                                              # unit tests
    clang libclang-rt-dev clang-format                         # second compiler, lock analysis, format
    python3-pytest python3-pytest-xdist python3-pytest-timeout # functional and lint tests
    mandoc shellcheck codespell universal-ctags systemd        # what the lint tests ask
    nginx-light redis-server redis-tools                       # real origins ...
    postgresql mariadb-server-core nghttp2-server
    haproxy libnginx-mod-stream                                # PROXY protocol on the other side
    hitch jq systemd-journal-remote                            # what the manuals tell to use beside relayd
    dnsmasq-base                                               # a real DNS server
    curl wrk nghttp2-client netcat-openbsd iperf3              # ... and real clients
    gunicorn python3-flask git python3-websockets              # applications behind mode http ...
    apache2-utils slowhttptest                                 # ... and who tries its patience
    openssl gnutls-bin libnss3-tools python3-pycurl stunnel4   # TLS on the other side, by three libraries
    sslscan                                                    # what it looks like to a stranger
    strace iproute2 procps util-linux
    python3-h11                                                # another parser of HTTP/1, to compare
    python3-pyte                                               # a terminal, for relayctl top
    python3-cryptography                                       # certificates that tests make
    zsh fish                                                   # completion of relayctl
    prometheus python3-prometheus-client                       # promtool, and a parser of metrics
    keepalived bird2 frr nftables                              # what packaging/examples is for
    systemd dbus libnss-systemd init-system-helpers bsdutils   # what a box (tests/systemd) boots
)

# Beyond those to build it, to build and to check its packages (packaging/build, tests/systemd).
# shellcheck disable=SC2034
deb_packages=(build-essential debhelper systemd) # (systemd.pc says where units go ...)
systemd_version=$(dpkg-query -W -f '${Version}' libsystemd0 2>/dev/null || echo 0)
[[ ${systemd_version%%[!0-9]*} -lt 253 ]] || deb_packages+=(systemd-dev) # (... since then it is in a package of its own)
# shellcheck disable=SC2034
rpm_packages=(rpm)
# shellcheck disable=SC2034
package_test_packages=("${deb_packages[@]}" "${rpm_packages[@]}" lintian debootstrap) # (debootstrap: the container's root)

# Beyond those to build and to test it, to test several machines (tests/machines).
# shellcheck disable=SC2034
machine_test_packages=(keepalived bird2 nftables) # who moves an address, who announces it, who pins connections

# Beyond those, to check models (tests/models).
# shellcheck disable=SC2034
model_test_packages=(spin)

# Beyond those to build it, to compile it for arm64 and to run that (tests/arm64), on Debian 13.
# shellcheck disable=SC2034
arm64_packages=(
    gcc-aarch64-linux-gnu qemu-user meson ninja-build pkgconf python3 python3-h11
    {libc6-dev,libconfuse-dev,libsystemd-dev,libc-ares-dev,libmicrohttpd-dev,libjansson-dev}:arm64
    {libcurl4-openssl-dev,libncurses-dev,libssl-dev,libcmocka-dev}:arm64
)

# The compilers that this release of Debian has, as packages, from the oldest on that relayd is for (tests/compilers).
known_compilers() {
    apt-cache search --names-only '^(gcc-(1[2-9]|[2-9][0-9])|clang-(1[4-9]|[2-9][0-9]))$' | sed 's/ .*//'
}

# Beyond those, with --long: they are large, and the tests that ask them are skipped without.
# shellcheck disable=SC2034
long_test_packages=(
    chromium   # the page, in a browser
    testssl.sh # TLS, as a scanner sees it
    certbot pebble acl # certificates that are renewed, and an authority for tests
    locales    # to build packages in another language
)

# Beyond those to build it, to compare it with its peers (tests/bench).
# shellcheck disable=SC2034
bench_packages=(
    haproxy nginx-light libnginx-mod-stream hitch systemd # the peers, and the origin
    wrk python3                                           # the client, and what drives it
)

# need_packages PACKAGE...: returns once all are installed. As root it installs what is missing; for
# others it says what to install and exits with 69 (EX_UNAVAILABLE of sysexits.h).
need_packages() {
    local missing=() package status
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
        [[ $status == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    if ((EUID != 0)); then
        printf 'These packages are missing. Please install them, then start this again:\n' >&2
        printf '    sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
        exit 69
    fi
    printf 'Installing with apt: %s\n' "${missing[*]}"
    local log log_fd services
    log=$(mktemp)
    exec {log_fd}<>"$log"
    rm -f "$log" # it lives as long as it is open, so nothing of it stays, however this ends
    services=$(absent_services)
    if ! { apt_get update && apt_get install --no-install-recommends "${missing[@]}"; } >&"$log_fd" 2>&1 </dev/null; then
        tail -n 30 "/dev/fd/$log_fd" >&2
        printf 'apt-get failed, see above. These packages are needed: %s\n' "${missing[*]}" >&2
        exit 69
    fi
    exec {log_fd}>&-
    stop_services "$services"
}

# RUNLEVEL=1: for maintainer scripts it is single-user mode, in which they start no services.
apt_get() {
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

# The servers among the packages come as services. Those that this install brings shall not run, now or
# after the next boot; those that were there before are somebody's, and are left alone.
absent_services() {
    local service
    for service in nginx haproxy hitch stunnel4 redis-server postgresql keepalived bird frr; do
        [[ -e /etc/init.d/$service || -e /lib/systemd/system/$service.service ]] || echo "$service"
    done
}

stop_services() {
    local service
    for service in $1; do
        if [[ -d /run/systemd/system ]]; then
            systemctl --quiet disable --now "$service.service" || true
        elif [[ -x /etc/init.d/$service ]]; then
            service "$service" stop || true
            update-rc.d "$service" disable || true
        fi
    done >/dev/null 2>&1
}
