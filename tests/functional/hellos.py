"""TLS as clients begin it, without a connection of one's own: first bytes, and certificates to go on with."""

import contextlib
import ssl
import subprocess


def fatal(description):
    """An alert in plaintext (RFC 8446, 5.1 and 6)."""
    return bytes([21, 3, 3, 0, 2, 2, description])


UNEXPECTED_MESSAGE, DECODE_ERROR = fatal(10), fatal(50)
#: unrecognized_name (RFC 6066, 3).
ALERT = fatal(112)


def context(*protocols):
    """A client that trusts everybody and offers these protocols."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


def hello(name=None, *protocols):
    """The ClientHello of such a client, which asks for the name."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context(*protocols).wrap_bio(coming, going, server_hostname=name).do_handshake()
    return going.read()


def in_records(first, size):
    """The same in records of so many bytes."""
    body = first[5:]
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


class Certificate:
    """A server's, self-signed, for one name."""

    def __init__(self, directory, name):
        self.name = name
        self.file = str(directory / f"{name}.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-keyout", self.file, "-out", self.file + ".crt"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(self.file + ".crt", encoding="ascii") as crt, open(self.file, "a", encoding="ascii") as pem:
            text = crt.read()
            pem.write(text)
        self.der = ssl.PEM_cert_to_DER_cert(text)

    def serve(self, peer, *protocols):
        """The server's side of the handshake; an SSLSocket in the place of the peer's socket."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.file)
        if protocols:
            made.set_alpn_protocols(protocols)
        peer.sock = made.wrap_socket(peer.sock, server_side=True)
        return peer.sock
