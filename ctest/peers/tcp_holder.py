#!/usr/bin/env python3
"""Connects to ports of 127.0.0.1, says a line and two bytes to each, and holds the connections.

tcp_holder.py PORT…
"""
import signal
import socket
import sys

held = []
for port in sys.argv[1:]:
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.sendall(b"x\n")
    held.append(connection)
print("ready", flush=True)
signal.pause()
