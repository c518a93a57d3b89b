"""ZeroMQ's protocol by hand, for those who do not keep to it."""

import socket
import struct

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
COMMAND, LONG, MORE = 4, 2, 1


def frame(body, flags=0):
    if len(body) > 255:
        return struct.pack(">BQ", flags | LONG, len(body)) + body
    return bytes([flags, len(body)]) + body


def message(*frames):
    return b"".join(frame(body, MORE if at + 1 < len(frames) else 0) for at, body in enumerate(frames))


def ready(kind, identity=b""):
    properties = b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
        for name, value in ((b"Socket-Type", kind), (b"Identity", identity))
    )
    return frame(b"\x05READY" + properties, COMMAND)


class Raw:
    """A connection to one of a kernel's ports."""

    def __init__(self, kernel, channel, timeout=20):
        self.socket = socket.create_connection((kernel.kc.ip, getattr(kernel.kc, f"{channel}_port")), timeout=timeout)
        self.kind = {"iopub": b"SUB", "hb": b"REQ"}.get(channel, b"DEALER")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def meet(self, identity=b""):
        """The whole handshake, as a well-behaved client has it."""
        self.send(GREETING + ready(self.kind, identity))
        assert self.read(64)[:1] == b"\xff"
        flags, length = self.read(2)
        assert flags == COMMAND and self.read(length).startswith(b"\x05READY")
        return self

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError(f"the kernel closed the connection after {len(data)} of {count} bytes")
            data += part
        return data

    def message(self):
        """The frames of the next message."""
        frames = []
        while True:
            flags = self.read(1)[0]
            length = struct.unpack(">Q", self.read(8))[0] if flags & LONG else self.read(1)[0]
            frames.append(self.read(length))
            if not flags & MORE:
                return frames

    def closed(self, seconds):
        """Whether the kernel closes the connection within that time, whatever it sends before."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True
