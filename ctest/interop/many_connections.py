#!/usr/bin/env python3
"""10,000 connections at once, or as many as the limit of descriptors lets stand, to an upstream and through a proxy
of bytes; and what is told when that limit is reached. Client, far side and goto-run are processes of their own."""
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(os.environ.get("GOTO_RUN", "build/dev/goto-run"))
WANTED = 10000
OTHERS = 200  # descriptors that are for something else
PATIENCE = 60
SANITIZED_PAIR = 64 * 1024  # what a pair may cost at most where sanitizers have their share of it, too
TICK = os.sysconf("SC_CLK_TCK")
SPEC = """name: many
timeout: 200s
upstreams:
  echo: {{protocol: tcp, optional: true, limits: {{idle: none}}}}
proxies:
  wire: {{protocol: tcp, optional: true, limits: {{idle: none}}, forward: "127.0.0.1:{far}"}}
clients:
  hold:
    run: [sh, -c, "echo ${{echo.port}} ${{wire.port}} >{folder}/ports; read line <{folder}/hold"]
verify:
  - connections: {{to: {to}, count: {count}, concurrent: {concurrent}}}
"""


def raise_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def until(condition, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"never came: {what}")
        time.sleep(0.01)


def echo_forever():
    """The far side: sends back what comes; ends with its standard input."""
    raise_limit()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listening.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listening, select.EPOLLIN)
    poll.register(0, select.EPOLLIN)
    live = {}
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                return
            if fd == listening.fileno():
                connection = listening.accept()[0]
                live[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
                continue
            try:
                got = live[fd].recv(4096)
            except ConnectionResetError:
                got = b""
            if got:
                live[fd].sendall(got)
            else:
                live.pop(fd).close()


class Run:
    """goto-run with its ports open, until end()."""

    def __init__(self, folder, far, to, count, concurrent, limit=0):
        self.folder = folder
        self.journal = os.path.join(folder, "journal.json")
        spec = os.path.join(folder, "many.yaml")
        with open(spec, "w", encoding="utf-8") as file:
            file.write(SPEC.format(folder=folder, far=far, to=to, count=count, concurrent=concurrent))
        os.mkfifo(os.path.join(folder, "hold"))
        self.process = subprocess.Popen(
            [PROGRAM, f"--json={self.journal}", spec], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) if limit else None)
        ports = os.path.join(folder, "ports")
        until(lambda: os.path.exists(ports) and os.path.getsize(ports) or self.process.poll() is not None, "the ports")
        if self.process.poll() is not None:
            sys.exit(self.process.stdout.read())
        with open(ports, encoding="utf-8") as file:
            self.echo, self.wire = map(int, file.read().split())

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def end(self):
        """Its exit code and what it said, and the lines of its journal."""
        with open(os.path.join(self.folder, "hold"), "w", encoding="utf-8") as file:
            file.write("\n")
        out, _ = self.process.communicate(timeout=PATIENCE)
        with open(self.journal, encoding="utf-8") as file:
            return self.process.returncode, out, [json.loads(line) for line in file]


def dial(port):
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    # no TIME_WAIT for thousands of numbers that others want
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return connection


def ask(connection, number):
    connection.sendall(struct.pack("<Q", number))


def check(connection, number):
    got = connection.recv(8, socket.MSG_WAITALL)
    if got != struct.pack("<Q", number):
        sys.exit(f"connection {number} got {got!r}")


def stand_at_once(run, port, count):
    """Opens so many, and passes bytes over each while all of them stand. Bytes of memory for one."""
    first = dial(port)
    ask(first, 0)
    check(first, 0)
    before = run.rss()
    connections = [first] + [dial(port) for _ in range(count - 1)]
    for number, connection in enumerate(connections):
        ask(connection, number)
    for number, connection in enumerate(connections):
        check(connection, number)
    each = (run.rss() - before) // count
    # once more, in the other order: nobody was forgotten
    for number, connection in reversed(list(enumerate(connections))):
        ask(connection, number + count)
        check(connection, number + count)
    for connection in connections:
        connection.close()
    return each


def many(far, to, count):
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, far, to, count, count)
        each = stand_at_once(run, getattr(run, to), count)
        code, out, _ = run.end()
        print(f"{to}: {count} connections at once, {each} bytes of memory for each")
        if code != 0:
            sys.exit(out)
        if each > SANITIZED_PAIR:
            sys.exit("that is too much memory")


def notes(journal):
    return [entry["text"] for entry in journal if entry["kind"] == "note"]


def check_starved(code, out):
    """All that the spec asks for held, and yet nobody may call that a success."""
    if code != 3 or "connections could be made" not in out or "ulimit" not in out:
        sys.exit(f"exit {code}: {out}")


def starve(far):
    """More clients than descriptors: those who wait are told of, cost nothing, and get in once others leave."""
    limit, clients = 300, 400
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, far, "echo", clients, "{at-most: %d}" % limit, limit)
        connections = [dial(run.echo) for _ in range(clients)]
        for number, connection in enumerate(connections):
            ask(connection, number)
        check(connections[0], 0)
        # a busy loop would use all of a second
        before = run.cpu_seconds()
        time.sleep(1)
        used = run.cpu_seconds() - before
        for number in range(clients // 2):
            if number:
                check(connections[number], number)
            connections[number].close()
        for number in range(clients // 2, clients):
            check(connections[number], number)
            connections[number].close()
        code, out, journal = run.end()
        told = notes(journal)
        print(f"starving upstream: {used:.2f} s of CPU in a second, told: {told}")
        if used > 0.5 or len(told) != 1 or str(limit) not in told[0]:
            sys.exit("it was to be told of once, and to wait in peace")
        check_starved(code, out)


def starve_proxy(far):
    """The client of a proxy that has no descriptor left for the far side hears an end."""
    limit, clients = 300, 400
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, far, "wire", "{at-least: 100}", "{at-most: %d}" % limit, limit)
        connections = [dial(run.wire) for _ in range(clients)]
        for number, connection in enumerate(connections):
            ask(connection, number)
        served = ended = 0
        for number, connection in enumerate(connections):
            try:
                got = connection.recv(8, socket.MSG_WAITALL)
            except ConnectionResetError:
                got = b""
            served += got == struct.pack("<Q", number)
            ended += not got
            connection.close()
        code, out, journal = run.end()
        failed = [entry["text"] for entry in journal if entry["kind"] == "dial-failed"]
        print(f"starving proxy: {served} served, {ended} ended, told {len(failed)} times: {failed[:1]}, {notes(journal)}")
        if served + ended != clients or served < 100 or len(failed) != ended or len(notes(journal)) != 1:
            sys.exit("each was to be served, or ended and told of")
        check_starved(code, out)


def main():
    limit = raise_limit()
    far = subprocess.Popen([sys.executable, __file__, "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(far.stdout.readline())
        many(port, "echo", min(WANTED, limit - OTHERS))
        many(port, "wire", min(WANTED, (limit - OTHERS) // 2))
        starve(port)
        starve_proxy(port)
    finally:
        far.stdin.close()
        far.wait(PATIENCE)


if __name__ == "__main__":
    echo_forever() if sys.argv[1:] == ["echo"] else main()
