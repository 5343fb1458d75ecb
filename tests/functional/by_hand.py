"""A TLS connection whose bytes the test sends by itself: cut where it likes, one way or the other."""

import contextlib
import ssl

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from peer import RESET
from tls import CUT

BOTH = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}


class ByHand:
    """Over a Peer. What it would send is in hand until it is asked for."""

    def __init__(self, plain, context, server_side=False, name=None, session=None):
        self.plain = plain
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_side=server_side, server_hostname=name, session=session)

    def step(self):
        """As far as the handshake comes without the other side; whether it is done."""
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def hear(self):
        data = self.plain.recv()
        self.coming.write(data) if data else self.coming.write_eof()

    def flush(self):
        self.plain.send(self.in_hand())
        return self

    def in_hand(self):
        return self.going.read()

    def shake(self, flush=True):
        """The handshake; flush=False: our last flight stays in hand."""
        while not self.step():
            self.flush()
            self.hear()
        return self.flush() if flush else self

    def seal(self, *pieces, end=False):
        """A record for each; and close_notify."""
        for piece in pieces:
            self.tls.write(piece)
        if end:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.unwrap()
        return self.in_hand()

    def read(self, size):
        data = b""
        while len(data) < size:
            try:
                data += self.tls.read(size - len(data))
            except ssl.SSLWantReadError:
                self.hear()
        return data

    def read_end(self):
        """All that is still to come, and how it ended: EOF is close_notify, anything else the end of the socket."""
        sealed, how = self.plain.read_end()
        self.coming.write(sealed)
        data = b""
        try:
            while piece := self.tls.read(65536):
                data += piece
            return data, how
        except ssl.SSLZeroReturnError:
            return data, how
        except ssl.SSLWantReadError:   # without a close_notify
            return data, how if how == RESET else CUT


class Sealer:
    """Seals records of TLS 1.3 with AES-GCM as one side does, messages of the handshake included, which Python's ssl has no
    words for. (RFC 8446, 5.2, 7.1 to 7.3.)"""

    UPDATE, UPDATE_ASKED = bytes([24, 0, 0, 1, 0]), bytes([24, 0, 0, 1, 1])
    TICKET = bytes([4, 0, 0, 19]) + bytes(4) + bytes(4) + b"\x01n" + b"\x00\x05stale" + b"\x00\x00"

    def __init__(self, done, keylog, secret=None):
        """done: a ByHand after its handshake, the last of those whose secrets are in the file; or this secret."""
        side = "SERVER" if done.tls.server_side else "CLIENT"
        with open(keylog, encoding="ascii") as lines:
            secrets = [line.split()[2] for line in lines if line.startswith(f"{side}_TRAFFIC_SECRET_0 ")]
        self.secret = secret or bytes.fromhex(secrets[-1])
        self.hash, self.key_size = {48: (hashes.SHA384(), 32), 32: (hashes.SHA256(), 16)}[len(self.secret)]
        self.use()

    def use(self):
        self.gcm, self.iv, self.number = AESGCM(self.expand(b"key", self.key_size)), self.expand(b"iv", 12), 0

    def expand(self, label, size):
        info = size.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\x00"
        return HKDFExpand(self.hash, size, info).derive(self.secret)

    def seal(self, content, inner, padding=0):
        plain = content + bytes([inner]) + bytes(padding)
        head = b"\x17\x03\x03" + (len(plain) + 16).to_bytes(2, "big")
        nonce = (int.from_bytes(self.iv, "big") ^ self.number).to_bytes(12, "big")
        self.number += 1
        return head + self.gcm.encrypt(nonce, plain, head)

    def data(self, content, padding=0):
        return self.seal(content, 23, padding)

    def message(self, content):
        return self.seal(content, 22)

    def alert(self, level, what):
        return self.seal(bytes([level, what]), 21)

    def update(self, asked=False):
        """KeyUpdate; what follows has the next key."""
        return self.message(self.UPDATE_ASKED if asked else self.UPDATE) + self.next_key()

    def next_key(self):
        self.secret = self.expand(b"traffic upd", len(self.secret))
        self.use()
        return b""

