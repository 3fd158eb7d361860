"""A client and the far side of a proxy in one: an upload reaches the far side while it is being sent.

    streamed_upload.py PROXY_PORT FAR_SOCKET chunked|length|early|broken|replaced|changed|asked
"""
import os
import socket
import sys

proxy, far_path, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if os.path.exists(far_path):
    os.unlink(far_path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(far_path)
listener.listen()
listener.settimeout(10)
client = socket.create_connection(("127.0.0.1", proxy))
client.settimeout(10)


def read_until(connection, end, what):
    got = b""
    while end not in got:
        piece = connection.recv(65536)
        if not piece:
            sys.exit(f"{what} ended after {got!r}")
        got += piece
    return got


framing = "Transfer-Encoding: chunked" if how == "chunked" else "Content-Length: 10"
client.sendall(f"POST /up HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
client.sendall(b"5\r\nhello\r\n" if how == "chunked" else b"hello")
far, _ = listener.accept()
far.settimeout(10)
got = read_until(far, b"hello", "the request")
print("the far side has the beginning")
if how == "broken":
    client.close()
    while far.recv(65536):
        pass
    print("the far side sees the end")
    sys.exit(0)
if how == "replaced":
    client.sendall(b"world")
    print(read_until(client, b"\r\n\r\n", "the answer").split(b"\r\n")[0].decode())
    while far.recv(65536):
        pass
    sys.exit(0)
if how == "changed":
    far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    print(read_until(client, b"\r\n\r\n", "the answer").split(b"\r\n")[0].decode())
    while far.recv(65536):
        pass
    print("the far side sees the end")
    client.sendall(b"world")
    sys.exit(0)
if how == "asked":
    far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    client.sendall(b"world")
    head, body = read_until(client, b"\r\n\r\n", "the answer").split(b"\r\n\r\n")
    print(head.split(b"\r\n")[0].decode())
    size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < size:
        body += client.recv(65536)
    if body:
        print(body.decode())
    sys.exit(0)
if how == "early":
    far.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n\r\nno\n")
    print(read_until(client, b"no\n", "the answer").split(b"\r\n")[0].decode())
    # the rest of the request belongs to it still, and another one follows
    client.sendall(b"worldGET /again HTTP/1.1\r\nHost: x\r\n\r\n")
    again, _ = listener.accept()
    again.settimeout(10)
    read_until(again, b"\r\n\r\n", "the next request")
    again.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    print(read_until(client, b"\r\n\r\n", "the next answer").split(b"\r\n")[0].decode())
    sys.exit(0)
client.sendall(b"5\r\nworld\r\n" if how == "chunked" else b"worl")
if how == "length":
    read_until(far, b"wor", "the body")
    client.sendall(b"d")
else:
    read_until(far, b"world\r\n", "the body")
    client.sendall(b"0\r\n\r\n")
rest = read_until(far, b"0\r\n\r\n" if how == "chunked" else b"d", "the body")
far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
print(read_until(client, b"\r\n\r\nok", "the answer").split(b"\r\n")[0].decode())
