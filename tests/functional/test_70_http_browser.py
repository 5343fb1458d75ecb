"""Mode http: a browser."""

import hashlib
import os
import random
import shutil
import struct
import subprocess
import zlib

import pytest
from settings import DEADLINE, SANITIZER, free_port
from tls import Site
from tls_programs import trusting
from web import answer, answer_chunked, text_of, web

CHROMIUM = shutil.which("chromium")
COUNT = 100

PAGE = """<!DOCTYPE html><title>images</title><body>
<p id=seen></p>
<script>
const wanted = %s;
async function look(image) {
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    return Array.from(digest, byte => byte.toString(16).padStart(2, "0")).join("");
}
onload = async () => {
    const right = await Promise.all(Array.from(document.images, async image => {
        try { return await look(image) === wanted[image.alt]; } catch (error) { return false; }
    }));
    document.title = "done";
    document.getElementById("seen").textContent = "right: " + right.filter(Boolean).length;
};
</script>
%s
"""


def chunk(name, data):
    return struct.pack("!I", len(data)) + name + data + struct.pack("!I", zlib.crc32(name + data))


def image(number):
    """A PNG of noise, each of another size; the SHA-256 of its pixels as a canvas has them (RGBA)."""
    width, height = 40 + number, 50 + number
    noise = random.Random(number)
    rows = [b"".join(noise.randbytes(3) + b"\xff" for _ in range(width)) for _ in range(height)]
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 6, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b"")
    return data, hashlib.sha256(b"".join(rows)).hexdigest()


@pytest.mark.skipif(CHROMIUM is None or bool(SANITIZER), reason="needs chromium, and a relayd that is quick")
def test_a_page_of_many_images(relay, origin, tmp_path):
    """Over https, from two upstreams by their paths, over the few connections that a browser opens: each is whole and its own."""
    images = {f"/{'ab'[number % 2]}/{number}.png": image(number) for number in range(COUNT)}
    marks = "".join(f'<img src="{path}" alt="{path}">' for path in images)
    page = (PAGE % ({path: digest for path, (_, digest) in images.items()}, marks)).encode()

    def files(letter):
        def answers(asked, peer):
            if asked.target in images and asked.target[1] == letter:
                data = images[asked.target][0]
                number = int(asked.target[3:-4])
                if number % 3:
                    return answer(data, "200 OK", "Content-Type: image/png")
                return answer_chunked(data, "Content-Type: image/png", sizes=[1 + number * 31] * 20)
            return answer(page, "200 OK", "Content-Type: text/html") if asked.target == "/" else answer(b"", "404 Not Found")
        return answers
    apps = {letter: web(origin, files(letter)) for letter in "ab"}
    site = Site(tmp_path, "localhost")
    port = free_port()
    one = relay(address=f"127.0.0.1:{port}", text=text_of(f"127.0.0.1:{port}", apps, routes={"/b/": {"upstream": "b"}}, tls=site.section()))
    trusting(tmp_path, site.ca, "home/.pki/nssdb")
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
                           "--virtual-time-budget=20000", "--dump-dom", f"https://localhost:{port}/"], capture_output=True, text=True,
                          check=False, timeout=4 * DEADLINE, env={**os.environ, "HOME": str(tmp_path / "home")})
    assert f'<p id="seen">right: {COUNT}</p>' in done.stdout, (done.stdout[-500:], done.stderr[-2000:])
    asked = [request.target for app in apps.values() for request in app.asked if request.target.endswith(".png")]
    assert sorted(asked) == sorted(images)   # each once
    assert {record.status for record in one.requests()} <= {200, 404}
