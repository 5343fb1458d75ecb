"""The origin behind the relays: nginx for downloads, bench-sink for uploads."""
import os
import signal
import subprocess

import process

MIB = 1 << 20
GIB = 1 << 30


class Origin:
    """Each relay has a port of its own on each, so that closed connections of one do not meet those of
    another."""

    def __init__(self, folder, helpers, relays, most):
        numbers = process.ports(2 * len(relays))
        names = [relay.name for relay in relays]
        self.web = dict(zip(names, numbers))
        self.sink = dict(zip(names, numbers[len(names):]))
        files = folder / "files"
        files.mkdir()
        self._write_files(files)
        self.children = [self._start_nginx(folder, files, most),
                         process.start([helpers / "bench-sink", *self.sink.values()],
                                       folder / "sink.log", stdin=subprocess.PIPE)]
        for port in self.web.values():
            process.wait_for_answer(port, self.children[0], "the origin")

    @staticmethod
    def _write_files(files):
        block = os.urandom(MIB)
        (files / "16k").write_bytes(block[:16384])
        (files / "1m").write_bytes(block)
        with open(files / "1g", "wb") as file:   # real pages: those of a hole are all one
            for _ in range(GIB // MIB):
                file.write(block)

    def _start_nginx(self, folder, files, most):
        listens = "\n".join(f"        listen 127.0.0.1:{port} backlog=4096;" for port in self.web.values())
        path = folder / "origin.conf"
        path.write_text(f"""
{'user root;' if os.geteuid() == 0 else ''}
daemon off;
pid {folder}/origin.pid;
error_log {folder}/origin.error.log crit;
worker_processes 1;
worker_rlimit_nofile {most + 500};
events {{ worker_connections {most + 200}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    open_file_cache max=10 inactive=1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
{listens}
        root {files};
        location /fair/ {{ alias {files}/; sendfile_max_chunk 128k; }}   # bulk that lets others in between
        location = /128 {{ default_type text/plain; return 200 {'x' * 128}; }}
    }}
}}
""")
        return process.start(["nginx", "-e", f"{folder}/origin.error.log", "-c", path],
                             folder / "origin.log", signal.SIGTERM)
