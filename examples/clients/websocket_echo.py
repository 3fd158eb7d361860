"""A WebSocket server that sends back what it gets, and a client that connects again when it is cut off.

    websocket_echo.py serve PORT
    websocket_echo.py talk PORT WORD...
"""
import base64
import hashlib
import os
import socket
import sys
import threading
import time


def exactly(connection, size):
    got = b""
    while len(got) < size:
        piece = connection.recv(size - len(got))
        if not piece:
            raise ConnectionError("the connection has ended")
        got += piece
    return got


def head(connection):
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += exactly(connection, 1)
    return got.decode().split("\r\n")


def read_frame(connection):
    operation, size = exactly(connection, 2)
    mask = exactly(connection, 4) if size & 0x80 else b"\0\0\0\0"
    payload = exactly(connection, size & 0x7F)
    return operation & 15, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def answer(connection):
    try:
        lines = head(connection)
        key = next(line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key"))
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(proof) + b"\r\n\r\n"
        )
        while True:
            operation, payload = read_frame(connection)
            connection.sendall(bytes([0x80 | operation, len(payload)]) + payload)
    except (ConnectionError, StopIteration):
        connection.close()


def serve(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    key = base64.b64encode(os.urandom(16))
    connection.sendall(
        b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )
    if not head(connection)[0].startswith("HTTP/1.1 101"):
        raise ConnectionError("no WebSocket")
    print("connected", flush=True)
    return connection


def talk(port, words):
    connection = connect(port)
    for word in words:
        while True:
            try:
                payload = word.encode()
                connection.sendall(bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)
                print("echo:", read_frame(connection)[1].decode(), flush=True)
                time.sleep(0.2)
                break
            except ConnectionError:
                print("connection lost", flush=True)
                connection = connect(port)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    talk(int(sys.argv[2]), sys.argv[3:])
