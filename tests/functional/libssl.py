"""What Python's ssl has no words for, asked of the libssl that it uses: which suites of TLS 1.3, KeyUpdate, an end of half."""

import ctypes
import ssl

LIBSSL = ctypes.CDLL("libssl.so.3")
#: Where CPython has them: behind the head of each object; of a connection behind one more pointer.
CONTEXT_AT, CONNECTION_AT = 2 * ctypes.sizeof(ctypes.c_void_p), 3 * ctypes.sizeof(ctypes.c_void_p)
#: SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED.
NOT_ASKED, ASKED = 0, 1


def pointer(thing, at):
    return ctypes.c_void_p.from_address(id(thing) + at)


def set_suites(context, names):
    """Those of TLS 1.3, with : between them; a context has its own for 1.2 (set_ciphers)."""
    assert LIBSSL.SSL_CTX_set_ciphersuites(pointer(context, CONTEXT_AT), names.encode()) == 1, names


def bound_records(context, size):
    """Clients of it ask for records of so many bytes at most (RFC 6066, 4)."""
    assert LIBSSL.SSL_CTX_set_tlsext_max_fragment_length(pointer(context, CONTEXT_AT), 1 + (512, 1024, 2048, 4096).index(size)) == 1


def update_key(connection, asked=False):
    """Of an ssl.SSLObject of TLS 1.3, after its handshake: its next data has the next key, and a KeyUpdate goes before it."""
    assert isinstance(connection, ssl.SSLObject) and connection.version() == "TLSv1.3"
    assert LIBSSL.SSL_key_update(pointer(connection._sslobj, CONNECTION_AT), ASKED if asked else NOT_ASKED) == 1


def end(connection):
    """close_notify, and reading goes on. (unwrap would have the other end's, and fail of data that comes before it.)"""
    assert isinstance(connection, ssl.SSLObject)
    assert LIBSSL.SSL_shutdown(pointer(connection._sslobj, CONNECTION_AT)) >= 0


def update_key_now(sock):
    """The same of an ssl.SSLSocket, at once and with no data."""
    connection = pointer(sock._sslobj, CONNECTION_AT)
    assert LIBSSL.SSL_key_update(connection, NOT_ASKED) == 1 and LIBSSL.SSL_do_handshake(connection) == 1
