"""A client and the far side of a proxy in one: the far side answers, or ends, before it has read an upload. The client
reads nothing before it has sent all of it.

    early_answer.py PROXY_PORT FAR_SOCKET refuses|resets|echoes
"""
import os
import socket
import struct
import sys
import threading

SIZE = 12 * 1024 * 1024
proxy, far_path, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if os.path.exists(far_path):
    os.unlink(far_path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(far_path)
listener.listen()
listener.settimeout(10)
client_done = threading.Event()


def far_side():
    far, _ = listener.accept()
    far.settimeout(10)
    got = b""
    while b"\r\n\r\n" not in got:
        got += far.recv(65536)
    body = got.split(b"\r\n\r\n", 1)[1]
    if how == "refuses":
        far.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n\r\nno\n")
        client_done.wait(10)
    elif how == "resets":
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + body)
        left = SIZE - len(body)
        while left:
            piece = far.recv(65536)
            left -= len(piece)
            far.sendall(piece)
        client_done.wait(10)
    far.close()


threading.Thread(target=far_side, daemon=True).start()
client = socket.create_connection(("127.0.0.1", proxy))
client.settimeout(10)
client.sendall(b"POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % SIZE)
client.sendall(b"u" * SIZE)
answer = bytearray()
while piece := client.recv(1 << 20):
    answer += piece
head, body = bytes(answer).split(b"\r\n\r\n", 1)
print(head.split(b"\r\n")[0].decode(), len(body) if how == "echoes" else "")
client_done.set()
