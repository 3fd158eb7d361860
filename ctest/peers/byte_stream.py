#!/usr/bin/env python3
"""Much of bytes over TCP in both directions at once, each of which is checked at its place.

byte_stream.py serve PORT SIZE      sends SIZE bytes to each client and wants SIZE others of it
byte_stream.py exchange PORT SIZE   is such a client: says what arrived, or exits with 1 and where it was wrong
"""
import os
import random
import socket
import struct
import sys
import threading

BLOCK = 1 << 20
PERIOD = 65521  # prime: blocks that are lost, doubled or swapped are seen
PATIENCE = 200


class Pattern:
    """What one side sends: each block begins with its number, the rest is drawn once and turned for each."""

    def __init__(self, seed):
        self.bytes = random.Random(seed).randbytes(BLOCK + PERIOD)

    def block(self, number, size):
        return (struct.pack("<Q", number) + self.bytes[number % PERIOD:number % PERIOD + BLOCK - 8])[:size]


class Word:
    def block(self, _, size):
        return b"well"[:size]


UP, DOWN, WELL = Pattern(1), Pattern(2), Word()


def blocks(size):
    return ((number, min(BLOCK, size - number * BLOCK)) for number in range((size + BLOCK - 1) // BLOCK))


def send(connection, pattern, size):
    for number, part in blocks(size):
        connection.sendall(pattern.block(number, part))


def fill(connection, view):
    """Bytes that came until the view is full, or the end."""
    got = 0
    while got < len(view):
        more = connection.recv_into(view[got:])
        if more == 0:
            break
        got += more
    return got


def receive(connection, pattern, size):
    """None when all came as it was sent, else what is wrong; '' when nothing came at all."""
    buffer = bytearray(BLOCK)
    for number, part in blocks(size):
        got = fill(connection, memoryview(buffer)[:part])
        if number == 0 and got == 0:
            return ""
        expected = pattern.block(number, part)
        if buffer[:got] != expected[:got]:
            at = next(i for i in range(got) if buffer[i] != expected[i])
            return f"byte {number * BLOCK + at} is another one"
        if got < part:
            return f"the end came after {number * BLOCK + got} bytes"
    return None


def serve_one(connection, size):
    connection.settimeout(PATIENCE)
    sender = threading.Thread(target=send_quietly, args=(connection, DOWN, size))
    sender.start()
    wrong = receive(connection, UP, size)
    if wrong is None and connection.recv(1):
        wrong = "more came than was sent"
    sender.join()
    if wrong is None:
        send_quietly(connection, WELL, 4)
    elif wrong:
        print(f"far side: {wrong}", file=sys.stderr, flush=True)
        os._exit(1)
    connection.close()


def send_quietly(connection, pattern, size):
    """Who leaves early is found out by what is missing."""
    try:
        send(connection, pattern, size)
    except OSError:
        pass


def serve(port, size):
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            threading.Thread(target=serve_one, args=(listening.accept()[0], size), daemon=True).start()


def send_and_end(connection, size):
    send_quietly(connection, UP, size)
    connection.shutdown(socket.SHUT_WR)


def exchange(port, size):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        sender = threading.Thread(target=send_and_end, args=(connection, size))
        sender.start()
        wrong = receive(connection, DOWN, size)
        if wrong is not None:
            print(f"client: {wrong or 'nothing came'}", flush=True)
            os._exit(1)
        sender.join()
        last = connection.recv(5, socket.MSG_WAITALL)
        if last != b"well":
            sys.exit(f"the far side ended by {last!r}")
    print(f"{size} bytes each way")


if __name__ == "__main__":
    {"serve": serve, "exchange": exchange}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
