"""A WebSocket client and its server, at both sides of a proxy.

    websocket.py PROXY_PORT FAR_SOCKET
"""
import base64
import hashlib
import os
import socket
import struct
import sys
import threading

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()


def exactly(connection, size):
    got = b""
    while len(got) < size:
        piece = connection.recv(size - len(got))
        if not piece:
            raise EOFError(f"the connection ended after {len(got)} of {size} bytes")
        got += piece
    return got


def head(connection):
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += exactly(connection, 1)
    return got.decode()


def frame(operation, payload, mask=b""):
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        size = struct.pack("!B", masked | len(payload))
    else:
        size = struct.pack("!BQ", masked | 127, len(payload))
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return struct.pack("!B", 0x80 | operation) + size + mask + payload


def read_frame(connection):
    operation, size = exactly(connection, 2)
    masked, size = size & 0x80, size & 0x7F
    if size == 127:
        (size,) = struct.unpack("!Q", exactly(connection, 8))
    mask = exactly(connection, 4) if masked else b"\0\0\0\0"
    return operation & 15, bytes(byte ^ mask[i % 4] for i, byte in enumerate(exactly(connection, size)))


def serve():
    connection, _ = listener.accept()
    connection.settimeout(10)
    lines = head(connection).split("\r\n")
    key = next(line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key"))
    proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(proof) + b"\r\n\r\n" + frame(1, b"hello")
    )
    while True:
        operation, payload = read_frame(connection)
        connection.sendall(frame(operation, payload))
        if operation == 8:
            break
    connection.close()


threading.Thread(target=serve, daemon=True).start()
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.settimeout(10)
client.sendall(
    b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n"
)
lines = head(client).split("\r\n")
print(lines[0])
print(" ".join(lines[1:]).lower())
print("echo:", read_frame(client)[1].decode())
client.sendall(frame(1, b"a" * 70000, b"mask"))
print("echo:", read_frame(client)[1].decode())
client.sendall(frame(8, b"", b"mask"))
if read_frame(client)[0] == 8 and client.recv(1) == b"":
    print("closed")
