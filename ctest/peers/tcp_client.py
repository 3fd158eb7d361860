#!/usr/bin/env python3
"""Says hello over TLS, closes its half by close_notify, and shows what comes back: tcp_client.py PORT CA"""
import socket
import ssl
import sys

context = ssl.create_default_context(cafile=sys.argv[2])
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secure:
    secure.sendall(b"hello")
    print(secure.recv(5).decode())
    plain = secure.unwrap()  # sends close_notify and waits for the one of the other side
    print("the end")
