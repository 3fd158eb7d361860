#!/usr/bin/env python3
"""python3's http.client against the stand-in: keep-alive, chunks both ways, HEAD."""
import http.client
import sys

connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10)
for _ in range(3):
    connection.request("GET", "/hello")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b'{"hello":"world"}', answer.status
connection.request("POST", "/upload", body=(part for part in (b"abc", b"def")), encode_chunked=True)
answer = connection.getresponse()
assert answer.status == 201 and answer.read().startswith(b"6 bef57ec7"), answer.status
connection.request("GET", "/chunks")
answer = connection.getresponse()
assert answer.chunked and answer.read() == b"partpartpart"
connection.request("GET", "/events")
answer = connection.getresponse()
assert answer.getheader("content-type").startswith("text/event-stream")
assert answer.read() == b"data: tick\n\ndata: tick\n\n"
connection.request("HEAD", "/hello")
answer = connection.getresponse()
assert answer.status == 404 and answer.read() == b""
print("all well")
