"""A client and the far side of a proxy in one: a conversation on one request and its answer, each piece of which is
said once the piece before it was heard. The trailers of both are heard, too.

    conversation.py PROXY_PORT FAR_SOCKET
"""
import os
import socket
import sys
import threading

ROUNDS = 20
proxy, far_path = int(sys.argv[1]), sys.argv[2]
if os.path.exists(far_path):
    os.unlink(far_path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(far_path)
listener.listen()
listener.settimeout(10)
HEAD = b"Transfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n"
END = b"0\r\nx-end: %s\r\n\r\n"


class Side:
    """Chunks of HTTP/1.1."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(10)
        self.got = b""

    def until(self, end):
        while end not in self.got:
            piece = self.connection.recv(65536)
            if not piece:
                sys.exit(f"it ended after {self.got!r}")
            self.got += piece
        text, self.got = self.got.split(end, 1)
        return text

    def say(self, text):
        self.connection.sendall(b"%x\r\n%s\r\n" % (len(text), text))

    def hear(self):
        size = int(self.until(b"\r\n"), 16)
        if size == 0:
            return self.until(b"\r\n\r\n")
        while len(self.got) < size + 2:
            self.got += self.connection.recv(65536)
        text, self.got = self.got[:size], self.got[size + 2 :]
        return text


def far_side():
    far = Side(listener.accept()[0])
    far.until(b"\r\n\r\n")
    for i in range(ROUNDS):
        heard = far.hear()
        if i == 0:
            far.connection.sendall(b"HTTP/1.1 200 OK\r\n" + HEAD)
        far.say(b"re:" + heard)
    print("the far side heard", far.hear().decode().lower())
    far.connection.sendall(END % b"far")
    done.wait(10)


done = threading.Event()
threading.Thread(target=far_side, daemon=True).start()
client = Side(socket.create_connection(("127.0.0.1", proxy)))
client.connection.sendall(b"POST /talk HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n" + HEAD)
for i in range(ROUNDS):
    client.say(b"%d" % i)
    if i == 0:
        print(client.until(b"\r\n\r\n").split(b" ")[1].decode())
    if (answer := client.hear()) != b"re:%d" % i:
        sys.exit(f"round {i}: {answer!r}")
client.connection.sendall(END % b"client")
print("the client heard", client.hear().decode().lower())
done.set()
