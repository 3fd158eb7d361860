#!/usr/bin/env python3
"""python3's ssl and http.client against the stand-in: trust, names, ALPN, keep-alive over TLS."""
import http.client
import socket
import ssl
import sys

CA = sys.argv[1]
SECURE, BOTH, LATE = (int(port) for port in sys.argv[2:5])


def refused(port, context, name="localhost"):
    """The words of the certificate error that a handshake ends with."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            with context.wrap_socket(s, server_hostname=name):
                return None
    except ssl.SSLCertVerificationError as error:
        return error.verify_message


context = ssl.create_default_context(cafile=CA)
connection = http.client.HTTPSConnection("localhost", SECURE, timeout=10, context=context)
for _ in range(3):
    connection.request("GET", "/hello")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b'{"hello":"world"}', answer.status
connection.request("POST", "/upload", body=b"x" * 200000)
answer = connection.getresponse()
assert answer.status == 201 and answer.read() == b"200000"
assert connection.sock.version() == "TLSv1.3", connection.sock.version()
certificate = connection.sock.getpeercert()
assert ("DNS", "localhost") in certificate["subjectAltName"], certificate
connection.close()

assert refused(SECURE, context) is None
assert "expired" in refused(LATE, context)
assert "mismatch" in refused(SECURE, context, "elsewhere.example")

for offered, agreed in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
    context.set_alpn_protocols(offered)
    with socket.create_connection(("127.0.0.1", BOTH), 10) as s:
        with context.wrap_socket(s, server_hostname="localhost") as tls:
            assert tls.selected_alpn_protocol() == agreed, tls.selected_alpn_protocol()

old = ssl.create_default_context(cafile=CA)
old.maximum_version = ssl.TLSVersion.TLSv1_2
with socket.create_connection(("127.0.0.1", SECURE), 10) as s:
    with old.wrap_socket(s, server_hostname="localhost") as tls:
        assert tls.version() == "TLSv1.2"
print("all well")
