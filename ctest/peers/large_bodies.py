"""A client and the far side of a proxy in one: bodies that are larger than what is kept of them.

    large_bodies.py PROXY_PORT FAR_SOCKET MIB upload|download|both MOST_MIB

Of the process that it runs under, which is the proxy, it checks that it used no more than MOST_MIB. `download` reads slowly; of `both` the far side
sends back what it reads.
"""
import os
import socket
import sys
import threading
import time
import zlib

PIECE = os.urandom(1 << 20)
proxy, far_path, size, how = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) << 20, sys.argv[4]
if os.path.exists(far_path):
    os.unlink(far_path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(far_path)
listener.listen()
listener.settimeout(30)
far_sum = [0, 0]


def checksum(size):
    value = 0
    for _ in range(size // len(PIECE)):
        value = zlib.crc32(PIECE, value)
    return value


def read_head(connection):
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            sys.exit(f"it ended within the head {got!r}")
        got += piece
    head, rest = got.split(b"\r\n\r\n", 1)
    return head.lower(), rest


class Reader:
    """Takes a body out of its framing."""

    def __init__(self, connection):
        self.connection = connection
        self.head, self.rest = read_head(connection)
        self.chunked = b"transfer-encoding: chunked" in self.head
        told = self.head.split(b"content-length:")[1:]
        self.left = int(told[0].split(b"\r\n")[0]) if told and not self.chunked else 0

    def more(self, most=1 << 18):
        if not self.rest:
            self.rest = self.connection.recv(most)
            if not self.rest:
                sys.exit("the body broke off")

    def line(self):
        while b"\r\n" not in self.rest:
            piece = self.connection.recv(65536)
            if not piece:
                sys.exit("the chunks broke off")
            self.rest += piece
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def pieces(self):
        first = True
        while True:
            if self.chunked and not self.left:
                if not first:
                    self.line()
                first = False
                self.left = int(self.line(), 16)
                if not self.left:
                    self.line()
                    return
            if not self.left:
                return
            self.more()
            piece = self.rest[: self.left]
            self.rest = self.rest[len(piece) :]
            self.left -= len(piece)
            yield piece


def far_side():
    far, _ = listener.accept()
    far.settimeout(30)
    body = Reader(far)
    if how == "both":
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    for piece in body.pieces() if how != "download" else ():
        far_sum[0] = zlib.crc32(piece, far_sum[0])
        far_sum[1] += len(piece)
        if how == "both":
            far.sendall(piece)
    if how == "upload":
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    if how == "download":
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(PIECE)):
            far.sendall(PIECE)
    done.wait(30)
    far.close()


def send(client):
    for _ in range(size // len(PIECE)):
        client.sendall(PIECE)


def memory():
    most, process = 0, os.getppid()
    while process > 1:
        with open(f"/proc/{process}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        # a sanitizer maps terabytes, and keeps what is freed
        if "goto-run" in fields["Name"] and int(fields["VmPeak"].split()[0]) < 1 << 30:
            most = max(most, int(fields["VmHWM"].split()[0]) >> 10)
        process = int(fields["PPid"])
    return most


done = threading.Event()
thread = threading.Thread(target=far_side, daemon=True)
thread.start()
client = socket.create_connection(("127.0.0.1", proxy))
client.settimeout(30)
if how == "download":
    client.sendall(b"GET /down HTTP/1.1\r\nHost: x\r\n\r\n")
else:
    client.sendall(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
sender = threading.Thread(target=send, args=(client,), daemon=True)
if how != "download":
    sender.start()
answer = Reader(client)
got = [0, 0]
for piece in answer.pieces():
    got[0] = zlib.crc32(piece, got[0])
    got[1] += len(piece)
    if how == "download" and got[1] % (1 << 24) < len(piece):
        time.sleep(0.01)
done.set()
if how != "download":
    sender.join(30)
    if far_sum != [checksum(size), size]:
        sys.exit(f"the far side got {far_sum[1]} bytes, or others")
if how != "upload" and got != [checksum(size), size]:
    sys.exit(f"the client got {got[1]} bytes, or others")
used = memory()
if used > int(sys.argv[5]):
    sys.exit(f"the proxy used {used} MiB")
print(how, "ok")
