"""Clients and servers that speak TLS, by Python's ssl; and a site with a certificate."""

import socket
import ssl

from certificates import Authority, write_secret
from client import connect
from peer import EOF, Peer
from settings import DEADLINE, free_port

CUT = "cut"   # the end of the socket, without close_notify


class TlsPeer(Peer):
    """A Peer over TLS: read_end tells close_notify (EOF), a reset, and a mere end (CUT) apart."""

    def __init__(self, plain, context, **how):
        self.plain = plain
        sock = context.wrap_socket(plain.sock, suppress_ragged_eofs=False, **how)
        super().__init__(sock, remote=None)
        self.remote = plain.remote

    def recv(self, size=65536):
        try:
            return super().recv(size)
        except ssl.SSLZeroReturnError:   # close_notify, after one of ours
            return b""

    def read_end(self):
        try:
            return super().read_end()
        except ssl.SSLEOFError:
            return b"", CUT

    def is_silent(self, seconds):
        """As without TLS, but that cannot be asked without reading."""
        if self.pending:
            return False
        self.sock.settimeout(seconds)
        try:
            self.pending = self.recv()
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(DEADLINE)

    def tell_end(self):
        """close_notify, without waiting for the other side's."""
        self.sock.settimeout(0)
        try:
            self.sock.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLError, OSError):
            pass
        finally:
            self.sock.settimeout(DEADLINE)
        return self

    def cut(self):
        """The end of the socket for writing, and nothing said."""
        self.sock.shutdown(socket.SHUT_WR)
        return self


class Site:
    """An authority, a certificate in a file, and who trusts it."""

    def __init__(self, folder, *names, kind="ecdsa", **how):
        self.authority = Authority()
        self.names = names or ("site.test", "127.0.0.1")
        self.certificate = self.authority.issue(*self.names, kind=kind, **how)
        self.file = folder / "site.pem"
        self.ca = folder / "ca.pem"
        write_secret(self.file, self.certificate.pem + self.certificate.key_pem)
        self.ca.write_text(self.authority.pem)

    def section(self, **more):
        options = {"certificate": [str(self.file)], **more}
        words = " ".join(f"{name} = {written(value)}" for name, value in options.items())
        return f"    tls {{ {words} }}\n"

    def context(self, least=None, most=None, alpn=(), ciphers=None):
        """A client's."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if least:
            context.minimum_version = least
        if most:
            context.maximum_version = most
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if ciphers:
            context.set_ciphers(ciphers)
        return context

    def connect(self, where, name="site.test", session=None, context=None, **how):
        return TlsPeer(connect(where), context or self.context(**how), server_hostname=name, session=session)

    def server_context(self, **how):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(self.file))
        for name, value in how.items():
            setattr(context, name, value)
        return context


def written(value):
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(f'"{word}"' for word in value) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def https(relay, site, server, tls=None, upstream="", top="", **listener):
    """A relay with one listener that ends TLS."""
    port = free_port()
    address = listener.pop("address", f"127.0.0.1:{port}")
    options = "".join(f"    {name} = {written(value)}\n" for name, value in listener.items())
    text = (f'{top}\nlistener web {{\n    address = "{address}"\n    upstream = app\n{options}{site.section(**(tls or {}))}}}\n'
            f'upstream app {{\n{upstream}    server a {{ address = "{getattr(server, "address", server)}" }}\n}}\n')
    return relay(address=address, text=text)


def between(relay, site, server):
    """TLS on both sides."""
    port = free_port()
    return relay(address=f"127.0.0.1:{port}", text=f"""
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
{site.section()}}}
upstream app {{
    tls {{ ca = "{site.ca}" }}
    server a {{ address = "localhost:{server.port}" }}
}}
""")


def over_tls(context, script):
    """A script of an origin (origin.py) whose clients speak TLS."""
    def serve(peer):
        return script(TlsPeer(peer, context, server_side=True))
    return serve
