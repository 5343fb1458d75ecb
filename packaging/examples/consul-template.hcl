# /etc/consul-template.d/relayd.hcl: writes the servers that Consul knows into a file that relayd.conf includes. It runs as root,
# to write there and to reload.
#
# /etc/relayd.conf, on top:
#     include "/etc/relayd.d/*.conf"
#
# The same works with confd: src and dest as below, and relayd-take as reload_cmd.

consul {
  address = "127.0.0.1:8500"
  # Without an answer, what was written stays, and it goes on asking.
  retry {
    enabled     = true
    attempts    = 0
    backoff     = "1s"
    max_backoff = "30s"
  }
}

# Servers that come one after the other, as in an update, make one reload.
wait {
  min = "2s"
  max = "10s"
}

template {
  source = "/etc/consul-template.d/upstreams.conf.ctmpl"
  # Not yet in the folder that is included: nothing that relayd would refuse ever lies there.
  destination = "/var/lib/relayd-upstreams/upstreams.conf"
  create_dest_dirs = true
  # A field that is missing is an error, and not the text <no value>.
  error_on_missing_key = true
  perms = 0644

  exec {
    # `relayd -t` with the new file, then `systemctl reload relayd`; or the old file again, and an exit status of 1. Then
    # consul-template ends, too: its unit has Restart=on-failure, and goes on with the next change.
    command = ["/usr/local/sbin/relayd-take", "/var/lib/relayd-upstreams/upstreams.conf", "/etc/relayd.d/upstreams.conf"]
    timeout = "60s"
  }
}
