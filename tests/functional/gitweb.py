"""git's own CGI as a WSGI application, which gunicorn runs (apps.Git): the repositories are in $GIT_PROJECT_ROOT."""

import os
import subprocess
import threading

BACKEND = "/usr/lib/git-core/git-http-backend"


def feed(source, sink):
    with sink:
        while data := source.read(65536):
            sink.write(data)


def app(environ, start_response):
    names = {name: value for name, value in environ.items() if isinstance(value, str) and name.isupper()}
    # It closes its input early where it has seen enough, which is no error.
    with subprocess.Popen([BACKEND], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, **names, "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "somebody"}) as cgi:
        feeder = threading.Thread(target=feed, args=(environ["wsgi.input"], cgi.stdin))
        feeder.start()
        fields = []
        while line := cgi.stdout.readline().strip().decode():
            fields.append(tuple(line.split(": ", 1)))
        status = dict(fields).get("Status", "200 OK")
        start_response(status, [field for field in fields if field[0] != "Status"])
        while data := cgi.stdout.read1(65536):
            yield data
        feeder.join()
