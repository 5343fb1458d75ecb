"""A small HTTP/1.1 origin for packaging/quickstart: one page, connections kept alive.

Listens on a free port of the loopback, prints the port, and serves until it is told to stop.
"""
import http.server
import itertools
import signal
import socketserver
import sys

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>relayd</title></head>
<body style="font-family: sans-serif; max-width: 40em; margin: 4em auto">
<h1>It works</h1>
<p>This page was served by a small demo origin on port {port}, and came to you through relayd.</p>
<p>It is answer {count} of the origin, to <code>{line}</code>.
relayd has logged this request; its line about the connection appears when that ends.</p>
</body></html>
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "demo-origin"
    disable_nagle_algorithm = True
    count = itertools.count(1)

    def do_GET(self):
        found = self.path.split("?")[0] == "/"
        page = PAGE.format(port=self.server.server_port, count=next(self.count), line="GET /")
        body = (page if found else "There is one page here: /\n").encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", f"text/{'html' if found else 'plain'}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        """relayd's log lines are the ones to look at."""


class Origin(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Clients may vanish: nothing to say."""


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)   # Ctrl-C is quickstart's, which then stops us
    origin = Origin(("127.0.0.1", 0), Handler)
    print(origin.server_port, flush=True)
    sys.stdout.close()
    origin.serve_forever()
