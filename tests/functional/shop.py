"""A small application as people write them, in Flask: forms, a session, redirects, files, uploads, events. gunicorn runs it
(apps.Shop) behind a relay, whose word it takes for who asks and how."""

import gzip
import hashlib
import threading
import time

from flask import Flask, Response, redirect, request, session, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.secret_key = b"not secret"
app.config["SESSION_COOKIE_SECURE"] = True
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
PAGE = b"".join(b"%06d\n" % number for number in range(100_000))   # 700,000 bytes
seen = threading.Semaphore(0)


@app.get("/")
def home():
    return f"{session.get('name', 'nobody')} {request.remote_addr} {request.url} {session.get('visits', 0)}\n"


@app.post("/login")
def login():
    if request.form["password"] != "caf\u00e9 & more":
        return "no\n", 401
    session["name"] = request.form["name"]
    session["visits"] = session.get("visits", 0) + 1
    return redirect(url_for("home", _external=True), 303)


@app.get("/old")
def old():
    return redirect(url_for("home"))


@app.post("/upload")
def upload():
    """A form with a file in it."""
    file = request.files["file"]
    data = file.read()
    return f"{file.filename} {len(data)} {hashlib.sha256(data).hexdigest()} {request.form['note']}\n"


@app.put("/raw")
def raw():
    """A body of any framing."""
    digest, size = hashlib.sha256(), 0
    while data := request.stream.read(65536):
        digest.update(data)
        size += len(data)
    return f"{size} {digest.hexdigest()}\n"


@app.put("/private")
def private():
    """Says no before it has read a byte of the body."""
    return "who are you?\n", 401, {"WWW-Authenticate": "Basic"}


@app.get("/page")
def page():
    """With an ETag, conditions and ranges."""
    answer = Response(PAGE, mimetype="text/plain", direct_passthrough=False)
    answer.add_etag()
    answer.last_modified = 1_700_000_000
    return answer.make_conditional(request, accept_ranges=True, complete_length=len(PAGE))


@app.get("/packed")
def packed():
    return gzip.compress(PAGE, mtime=0), {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


@app.get("/steps/<int:count>")
def steps(count):
    """Each event is sent once the client has told, by /seen, that it has the one before."""
    def events():
        for number in range(count):
            yield f"data: {number}\n\n"
            if not seen.acquire(timeout=10):
                yield "data: late\n\n"
                return
    return Response(events(), mimetype="text/event-stream")


@app.post("/seen")
def told():
    seen.release()
    return "", 204


@app.get("/events/<int:count>/<float:pause>")
def events(count, pause):
    """An event now and then."""
    def made():
        for number in range(count):
            yield f"id: {number}\ndata: {number}\n\n"
            time.sleep(pause)   # it is what such a server does
    return Response(made(), mimetype="text/event-stream")
