#!/bin/sh
# After `meson install` into the running system: what a package's scripts would do. Not called with DESTDIR.
set -eu

case $MESON_INSTALL_PREFIX in
/usr | /usr/local) ;;
*) exit 0 ;; # systemd does not look there
esac
[ "$(id -u)" = 0 ] || exit 0

systemd-sysusers "$MESON_INSTALL_PREFIX/lib/sysusers.d/relayd.conf"
journalctl --update-catalog
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
