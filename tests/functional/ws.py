"""WebSocket (RFC 6455), just enough of it."""

import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(opcode, data, masked):
    head = bytes([0x80 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([mask_bit | len(data)])
    elif len(data) < 65536:
        head += struct.pack("!BH", mask_bit | 126, len(data))
    else:
        head += struct.pack("!BQ", mask_bit | 127, len(data))
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + unmask(data, mask)


def unmask(data, mask):
    pad = (mask * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")


def read_frame(peer):
    first, second = peer.read(2)
    size = second & 0x7f
    if size == 126:
        size, = struct.unpack("!H", peer.read(2))
    elif size == 127:
        size, = struct.unpack("!Q", peer.read(8))
    if second & 0x80:
        mask = peer.read(4)
        return first & 0x0f, unmask(peer.read(size), mask)
    return first & 0x0f, peer.read(size)


def websocket(peer):
    """Upgrades, greets, echoes frames, answers pings and closes in order."""
    head = peer.read_to(b"\r\n\r\n").split(b"\r\n")
    key, = [line.split(b": ")[1] for line in head if line.lower().startswith(b"sec-websocket-key")]
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Accept: " + accept_key(key) + b"\r\n\r\n" + frame(TEXT, b"welcome", False))
    count = 0
    while True:
        opcode, data = read_frame(peer)
        count += 1
        peer.send(frame({PING: PONG}.get(opcode, opcode), data, False))
        if opcode == CLOSE:
            return count


def upgrade(client):
    """What a client says first, up to the server's greeting."""
    key = base64.b64encode(os.urandom(16))
    client.send(b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
    head = client.read_to(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and accept_key(key) in head
    assert read_frame(client) == (TEXT, b"welcome")
