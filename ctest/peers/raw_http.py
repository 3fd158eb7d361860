#!/usr/bin/env python3
"""A raw socket against the stand-in: what RFC 9112 calls an error is refused, what it allows is not."""
import socket
import sys

ADDRESS = (sys.argv[1], int(sys.argv[2]))
H = b"Host: a\r\n"


def talk(request, parts=1):
    """Sends a request (in so many parts) and reads until the server closes or is silent."""
    with socket.create_connection(ADDRESS, 10) as s:
        step = max(1, (len(request) + parts - 1) // parts)
        for at in range(0, len(request), step):
            try:
                s.sendall(request[at:at + step])
            except OSError:
                break
        s.shutdown(socket.SHUT_WR)
        s.settimeout(10)
        data = b""
        try:
            while True:
                more = s.recv(65536)
                if not more:
                    return data
                data += more
        except OSError:
            return data


def status(request, parts=1):
    answer = talk(request, parts)
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None


def check(name, actual, wanted):
    if actual != wanted:
        print(f"{name}: {actual!r}, wanted {wanted!r}")
        sys.exit(1)


GET = b"GET /hello HTTP/1.1\r\n" + H
check("plain", status(GET + b"\r\n"), 200)
check("a byte at a time", status(GET + b"\r\n", 1000), 200)
check("pipelined", talk((GET + b"\r\n") * 5).count(b"HTTP/1.1 200"), 5)
check("empty line before", status(b"\r\n" + GET + b"\r\n"), 200)
check("absolute form", status(b"GET http://a/hello HTTP/1.1\r\n" + H + b"\r\n"), 200)
check("1.0 without host", talk(b"GET /hello HTTP/1.0\r\n\r\n")[9:12], b"200")
POST = b"POST /upload HTTP/1.1\r\n" + H
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
check("chunks", status(CHUNKED + b"\r\n3;x=1\r\nabc\r\n0\r\nx-t: 1\r\n\r\n", 30), 201)
for name, request, wanted in (
    ("no host", b"GET /hello HTTP/1.1\r\n\r\n", 400),
    ("two hosts", GET + b"Host: b\r\n\r\n", 400),
    ("space before colon", GET + b"x : 1\r\n\r\n", 400),
    ("obs-fold", GET + b"x: 1\r\n 2\r\n\r\n", 400),
    ("bare CR", GET + b"x: 1\r2\r\n\r\n", 400),
    ("NUL", GET + b"x: 1\x002\r\n\r\n", 400),
    ("no colon", GET + b"nothing\r\n\r\n", 400),
    ("name with a blank", GET + b"a b: 1\r\n\r\n", 400),
    ("both lengths", CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("negative length", POST + b"Content-Length: -3\r\n\r\nabc", 400),
    ("plus length", POST + b"Content-Length: +3\r\n\r\nabc", 400),
    ("huge length", POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc", 413),
    ("bad chunk size", CHUNKED + b"\r\nxyz\r\nabc\r\n0\r\n\r\n", 400),
    ("huge chunk size", CHUNKED + b"\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400),
    ("chunk without CRLF", CHUNKED + b"\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    ("unknown coding", POST + b"Transfer-Encoding: rot13\r\n\r\nabc", 501),
    ("version", b"GET /hello HTTP/3.0\r\n" + H + b"\r\n", 505),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    ("long line", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
    ("long head", GET + b"x: " + b"a" * 100000 + b"\r\n\r\n", 431),
    ("long body", POST + b"Content-Length: 100000000\r\n\r\n", 413),
):
    check(name, status(request), wanted)
    check(name + ", split", status(request, 7), wanted)
answer = talk(POST + b"Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n")
check("no 100 before 413", answer[9:12], b"413")
print("all well")
