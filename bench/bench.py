#!/usr/bin/env python3
"""Speed, measured beside peers in one run: medians, and ratios within the run.

    bench/bench.py [NAME ...]     start many stand-in idle timers tls h2c proxy faults http-proxy grpc
"""
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath("build/release/goto-run")
TICK = os.sysconf("SC_CLK_TCK")
TWO = (os.cpu_count() or 1) > 1

ONE = """name: one request
upstreams:
  api:
    protocol: http
    routes:
      - match: GET /ok
        respond: {json: {ok: true}}
steps:
  - http: GET ${api}/ok
    expect: {status: 200, json: {ok: true}}
"""

# What TLS adds to a scenario: the authority, a certificate, contexts; nobody connects.
CLEAR_PORT = """name: a port
upstreams:
  api: {protocol: http, optional: true}
steps:
  - verify: {connections: {to: api, count: 0}}
"""
TLS_PORT = CLEAR_PORT.replace("protocol: http,", "protocol: https,")

HOLD = """name: hold
timeout: 1h
upstreams:
  api:
    protocol: %s
    port: %d
    limits: {idle: none}
    optional: true
    routes:
      - match: GET /ok
        respond: {json: {id: 1234567, name: "a name of some length", state: active, tags: [a, b, c], more: "text to fill 100"}}
clients:
  hold:
    run: [cat, "%s"]
"""


HOLD_PROXY = """name: hold
timeout: 1h
proxies:
  wire: {protocol: %s, port: %d, forward: "127.0.0.1:%d", limits: {idle: none}, optional: true, faults: [%s]}
clients:
  hold:
    run: [cat, "%s"]
"""


def pin(cpu):
    return ["taskset", "-c", str(cpu)] if TWO and shutil.which("taskset") else []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    return 0


def wait_port(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise SystemExit(f"nothing listens on {port}")


@contextlib.contextmanager
def goto_run_held(folder, protocol="http", far=0, faults=""):
    port = free_port()
    folder = tempfile.mkdtemp(dir=folder)
    fifo = os.path.join(folder, "hold")
    os.mkfifo(fifo)
    spec = os.path.join(folder, "hold.yaml")
    with open(spec, "w", encoding="utf-8") as file:
        file.write(HOLD_PROXY % (protocol, port, far, faults, fifo) if far else HOLD % (protocol, port, fifo))
    process = subprocess.Popen(pin(0) + [PROGRAM, "-q", spec], stdout=subprocess.PIPE, text=True)
    try:
        wait_port(port)
        yield process.pid, port
    finally:
        os.close(os.open(fifo, os.O_WRONLY))
        out, _ = process.communicate(timeout=20)
    if process.returncode != 0:
        raise SystemExit(out)


@contextlib.contextmanager
def nginx_held(folder, tls="", far=0, cpu=0):
    port = free_port()
    folder = tempfile.mkdtemp(dir=folder)
    conf = os.path.join(folder, "nginx.conf")
    body = '{"id":1234567,"name":"a name of some length","state":"active","tags":["a","b","c"],"more":"text to fill 100"}'
    answer = f"default_type application/json; return 200 '{body}';"
    upstream = ""
    if far:
        answer = 'proxy_pass http://far; proxy_http_version 1.1; proxy_set_header Connection "";'
        upstream = f"upstream far {{ server 127.0.0.1:{far}; keepalive 128; keepalive_requests 1000000000; }}"
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f"""daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; server {{ listen 127.0.0.1:{port}{" ssl; " + tls if tls else ""};
  location /ok {{ {answer} }} }} {upstream} }}
""")
    process = subprocess.Popen(pin(cpu) + ["nginx", "-c", conf], stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def wrk(pid, port, seconds=4, scheme="http"):
    before = cpu_seconds(pid)
    out = subprocess.run(pin(1) + ["wrk", "-t1", "-c64", f"-d{seconds}s", f"{scheme}://127.0.0.1:{port}/ok"],
                         check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    requests = next(int(line.split()[0]) for line in out.splitlines() if "requests in" in line)
    bad = [line for line in out.splitlines() if "Non-2xx" in line or "Socket errors" in line]
    if bad:
        print("   ", *bad)
    return requests / seconds, used / requests * 1e6


def spawn_ms(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3


def bench_start(folder):
    spec = os.path.join(folder, "one.yaml")
    with open(spec, "w", encoding="utf-8") as file:
        file.write(ONE)
    floor = os.path.join(folder, "floor")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libcurl", "libuv", "yaml-0.1", "libpcre2-8", "zlib", "libcrypto"],
                           check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", floor, "bench/floor.c", *flags], check=True)
    ours, base = [], []
    for _ in range(80):
        ours.append(spawn_ms(pin(0) + [PROGRAM, "-q", spec]))
        base.append(spawn_ms(pin(0) + [floor, spec]))
    a, b = statistics.median(ours), statistics.median(base)
    print(f"start: one-request spec {a:.2f} ms, bare program {b:.2f} ms, ratio {a / b:.2f}  (goal: 8 ms, 1.25)")


def bench_many(folder):
    many = os.path.join(folder, "many")
    os.mkdir(many)
    for i in range(200):
        with open(os.path.join(many, f"s{i:03}.goto.yaml"), "w", encoding="utf-8") as file:
            file.write(ONE)
    times = [spawn_ms([PROGRAM, "-q", "-j", "16", many]) for _ in range(9)]
    print(f"many: 200 files at -j 16 {statistics.median(times) / 1e3:.3f} s  (goal: 0.15 s)")


def bench_stand_in(folder):
    ours, theirs = [], []
    with goto_run_held(folder) as (pid, port), nginx_held(folder) as (peer, peer_port):
        for _ in range(3):
            ours.append(wrk(pid, port))
            theirs.append(wrk(peer, peer_port))
    a, b = statistics.median(x[1] for x in ours), statistics.median(x[1] for x in theirs)
    print(f"stand-in: {a:.2f} us CPU a request ({statistics.median(x[0] for x in ours):.0f}/s), "
          f"nginx {b:.2f} us ({statistics.median(x[0] for x in theirs):.0f}/s), ratio {a / b:.2f}  (goal: 1.15)")


def bench_idle(folder):
    count = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < count + 100:
        count = hard - 100
    request = b"GET /ok HTTP/1.1\r\nhost: a\r\n\r\n"
    for name, held in (("goto-run", goto_run_held), ("nginx", nginx_held)):
        with held(folder) as (pid, port):
            before = rss(pid)
            sockets = []
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", port))
                s.sendall(request)
                s.recv(4096)
                sockets.append(s)
            after = rss(pid)
            for s in sockets:
                s.close()
        print(f"idle: {name} {(after - before) / count:.0f} B a connection ({count} connections)  (goal: 1024)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def timer_lags(folder, scenarios):
    spec = os.path.join(folder, f"timers{scenarios}.yaml")
    with open(spec, "w", encoding="utf-8") as file:
        for i in range(scenarios):
            every = 1 if scenarios == 1 else 20
            file.write(f"---\nname: timers {i}\ntimeout: 60s\nevents:\n  - {{every: {every}ms, times: {2000 // every}, log: x}}\n"
                       "steps:\n  - sleep: 2100ms\n  - wait: {event: tick, within: 1s}\n".replace("{every:", "{name: tick, every:"))
    out = subprocess.run([PROGRAM, "-q", "-j", str(scenarios), f"--json={folder}/timers.json", spec], check=False)
    lags = []
    with open(f"{folder}/timers.json", encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if entry["kind"] == "event":
                lags.append(entry["lag-ns"] / 1e3)
    lags.sort()
    early = sum(1 for lag in lags if lag < 0)
    return out.returncode, len(lags), early, lags[len(lags) // 2], lags[int(len(lags) * 0.99)], lags[-1]


def bench_timers(folder):
    for scenarios, goal in ((1, 150), (100, 500)):
        code, count, early, p50, p99, most = timer_lags(folder, scenarios)
        print(f"timers: {scenarios} scenarios, {count} firings, {early} early, p50 {p50:.0f} us, p99 {p99:.0f} us, "
              f"most {most:.0f} us, exit {code}  (goal: p99 {goal} us)")


def median_ratio(ours, theirs):
    """Of rounds that alternate: what slows the machine for a while slows both sides."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def handshakes(pid, port, seconds=4):
    """CPU of the server for a full TLS 1.3 handshake, in us."""
    before = cpu_seconds(pid)
    out = subprocess.run(pin(1) + ["openssl", "s_time", "-new", "-tls1_3", "-connect", f"127.0.0.1:{port}",
                                   "-time", str(seconds)], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    count = next(int(line.split()[0]) for line in out.splitlines() if "real seconds" in line)
    return used / count * 1e6


def tls_of_nginx(folder):
    """A P-256 certificate, full handshakes only: what the stand-in does."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-days", "2", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    return f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3"


def bench_tls(folder):
    for name, text in (("clear", CLEAR_PORT), ("tls", TLS_PORT)):
        with open(os.path.join(folder, f"{name}.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
    clear, added = [], []
    for _ in range(100):
        clear.append(spawn_ms(pin(0) + [PROGRAM, "-q", os.path.join(folder, "clear.yaml")]))
        added.append(spawn_ms(pin(0) + [PROGRAM, "-q", os.path.join(folder, "tls.yaml")]) - clear[-1])
    print(f"tls: a port with a generated certificate adds {statistics.median(added):.2f} ms "
          f"to {statistics.median(clear):.2f} ms  (goal: 3 ms)")
    with goto_run_held(folder, "https") as (pid, port), nginx_held(folder, tls_of_nginx(folder)) as (peer, peer_port):
        shakes, theirs = [], []
        for _ in range(7):
            shakes.append(handshakes(pid, port, 2))
            theirs.append(handshakes(peer, peer_port, 2))
        print(f"tls: {statistics.median(shakes):.0f} us CPU a full handshake, nginx {statistics.median(theirs):.0f} us, "
              f"ratio {median_ratio(shakes, theirs):.2f}  (goal: 1.1)")
        ours, theirs = [], []
        for _ in range(5):
            ours.append(wrk(pid, port, 2, "https"))
            theirs.append(wrk(peer, peer_port, 2, "https"))
    cpu, peer_cpu = [x[1] for x in ours], [x[1] for x in theirs]
    print(f"tls: {statistics.median(cpu):.2f} us CPU a request kept alive ({statistics.median(x[0] for x in ours):.0f}/s), "
          f"nginx {statistics.median(peer_cpu):.2f} us ({statistics.median(x[0] for x in theirs):.0f}/s), "
          f"ratio {median_ratio(cpu, peer_cpu):.2f}  (goal: 1.2)")


@contextlib.contextmanager
def nghttpd_held(folder):
    port = free_port()
    with open(os.path.join(folder, "ok"), "w", encoding="utf-8") as file:
        file.write("x" * 107)
    process = subprocess.Popen(pin(0) + ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", folder, str(port)],
                               stdout=subprocess.DEVNULL)
    try:
        wait_port(port)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def h2load(port, seconds=4, path="/ok", more=()):
    out = subprocess.run(pin(1) + ["h2load", "-c8", "-m32", "-D", str(seconds), *more, f"http://127.0.0.1:{port}{path}"],
                         check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        numbers = line.replace(",", "").split()
        if line.startswith("requests:") and any(word in numbers and numbers[numbers.index(word) - 1] != "0"
                                                for word in ("failed", "errored")):
            print("   ", line)
        if line.startswith("status codes:") and (numbers[6] != "0" or numbers[8] != "0"):
            print("   ", line)
    return next(float(line.split()[3]) for line in out.splitlines() if line.startswith("finished in"))


def bench_h2c(folder):
    ours, theirs = [], []
    with goto_run_held(folder, "h2c") as (_, port), nghttpd_held(folder) as (_, peer_port):
        for _ in range(5):
            ours.append(h2load(port, 2))
            theirs.append(h2load(peer_port, 2))
    print(f"h2c: {statistics.median(ours):.0f} requests/s, nghttpd {statistics.median(theirs):.0f}/s, "
          f"ratio {median_ratio(ours, theirs):.2f}  (goal: 400000/s or 0.75)")


@contextlib.contextmanager
def haproxy_held(folder, far):
    port = free_port()
    conf = os.path.join(folder, "haproxy.cfg")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f"""global
  nbthread 1
  maxconn 6000
  maxpipes 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option splice-request
  option splice-response
listen wire
  bind 127.0.0.1:{port}
  server far 127.0.0.1:{far}
""")
    process = subprocess.Popen(pin(0) + ["haproxy", "-db", "-f", conf], stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextlib.contextmanager
def far_side(folder):
    program = os.path.join(folder, "bytes")
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program, "bench/bytes.c"], check=True)
    process = subprocess.Popen(pin(1) + [program, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        yield program, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)


def load_bytes(program, what, port, count, seconds, cpu=1):
    out = subprocess.run(pin(cpu) + [program, what, str(port), str(count), str(seconds)],
                         check=True, capture_output=True, text=True).stdout
    return [float(number) for number in out.split()]


def bulk(program, pid, port, seconds=2, count=1):
    """Bytes a second, and CPU seconds of the proxy for a GB."""
    before = cpu_seconds(pid)
    rate = load_bytes(program, "bulk", port, count, seconds)[0]
    return rate, (cpu_seconds(pid) - before) / (rate * seconds / 1e9)


def idle_pairs(program, pid, port, count):
    before = rss(pid)
    process = subprocess.Popen([program, "idle", str(port), str(count)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    after = rss(pid)
    process.stdin.close()
    process.wait(20)
    return (after - before) / count


def bench_proxy(folder):
    with far_side(folder) as (program, far), goto_run_held(folder, "tcp", far) as (pid, port), \
            haproxy_held(folder, far) as (peer, peer_port):
        pairs = min(5000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2)
        print(f"proxy: {idle_pairs(program, pid, port, pairs):.0f} B an idle pair, "
              f"haproxy {idle_pairs(program, peer, peer_port, pairs):.0f} B ({pairs} pairs)  (goal: 2048)")
        ours, theirs = [], []
        for _ in range(5):
            ours.append(bulk(program, pid, port))
            theirs.append(bulk(program, peer, peer_port))
        rate, cpu = median_ratio([x[0] for x in ours], [x[0] for x in theirs]), \
            median_ratio([x[1] for x in ours], [x[1] for x in theirs])
        print(f"proxy: {statistics.median(x[0] for x in ours) / 1e9:.2f} GB/s on one connection, "
              f"{statistics.median(x[1] for x in ours):.2f} s CPU a GB; haproxy with splice "
              f"{statistics.median(x[0] for x in theirs) / 1e9:.2f} GB/s, {statistics.median(x[1] for x in theirs):.2f} s; "
              f"ratios {rate:.2f} and {cpu:.2f}  (goals: 1.2, 0.7)")
        for count, cpu, what, goal in ((64, 1, "round trips/s on 64 connections", "ratio 1.0"),
                                       (1, 0, "round trips/s on one, all on one CPU", "p50 at most theirs")):
            ours, theirs = [], []
            for _ in range(5):
                ours.append(load_bytes(program, "rr", port, count, 2, cpu))
                theirs.append(load_bytes(program, "rr", peer_port, count, 2, cpu))
            print(f"proxy: {statistics.median(x[0] for x in ours):.0f} {what}, p50 {statistics.median(x[2] for x in ours):.0f} us; "
                  f"haproxy {statistics.median(x[0] for x in theirs):.0f}, p50 {statistics.median(x[2] for x in theirs):.0f} us; "
                  f"ratio {median_ratio([x[0] for x in ours], [x[0] for x in theirs]):.2f}  (goal: {goal})")


def bench_faults(folder):
    """What faults of streams do to what passes, and how exactly."""
    with far_side(folder) as (program, far):
        with goto_run_held(folder, "tcp", far, "{latency: 10ms}") as (pid, port):
            runs = [bulk(program, pid, port, 2, 64) for _ in range(3)]
            print(f"faults: {statistics.median(x[0] for x in runs) / 1e9:.2f} GB/s on 64 connections with a latency of 10 ms, "
                  f"{statistics.median(x[1] for x in runs):.2f} s CPU a GB, {rss(pid) >> 20} MiB of memory  (goal: 1 GB/s)")
        with goto_run_held(folder, "tcp", far) as (_, port):
            plain = load_bytes(program, "rr", port, 1, 2)[2]
        for delay in (1, 10):
            with goto_run_held(folder, "tcp", far, f"{{latency: {delay}ms, direction: request}}") as (_, port):
                least, p50, p99, most = (us - delay * 1000 - plain for us in load_bytes(program, "rr", port, 1, 4)[1:])
            print(f"faults: a latency of {delay} ms is off by {least:.0f} us at least, p50 {p50:.0f} us, p99 {p99:.0f} us, "
                  f"most {most:.0f} us (a round trip without it: {plain:.0f} us)  (goal: 200 us)")
        for name, rate in (("1MiB/s", 1 << 20), ("100MiB/s", 100 << 20), ("500MiB/s", 500 << 20)):
            with goto_run_held(folder, "tcp", far, f"{{bandwidth: {name}, direction: response}}") as (_, port):
                shares = [load_bytes(program, "bulk", port, 1, 1)[0] / rate for _ in range(5)]
            print(f"faults: a bandwidth of {name} lets {min(shares) * 100:.1f}% to {max(shares) * 100:.1f}% pass in a second  "
                  f"(goal: 95% to 105%)")


def bench_http_proxy(folder):
    ours, theirs = [], []
    with nginx_held(folder, cpu=1) as (_, far), goto_run_held(folder, "http", far) as (pid, port), \
            nginx_held(folder, far=far) as (peer, peer_port):
        for _ in range(5):
            ours.append(wrk(pid, port))
            theirs.append(wrk(peer, peer_port))
    print(f"http-proxy: {statistics.median(x[1] for x in ours):.2f} us CPU a request "
          f"({statistics.median(x[0] for x in ours):.0f}/s), nginx's proxy_pass {statistics.median(x[1] for x in theirs):.2f} us "
          f"({statistics.median(x[0] for x in theirs):.0f}/s), "
          f"ratio {median_ratio([x[1] for x in ours], [x[1] for x in theirs]):.2f}  (goal: 1.3)")


ECHO_PROTO = """syntax = "proto3";
package bench;
message Text { string text = 1; int64 number = 2; }
service Echo {
  rpc Same(Text) returns (Text);
  rpc Fixed(Text) returns (Text);
}
"""

# a field `text` of 96 bytes and a `number` of two: a message of 100 bytes, 105 with its frame
ECHO_MESSAGE = b"\x0a\x60" + b"t" * 96 + b"\x10\x07"
# the same two fields in a body of that size
ECHO_JSON = b'{"text":"' + b"t" * 83 + b'","number":7}'
ECHO_FRAME = b"\x00" + len(ECHO_MESSAGE).to_bytes(4, "big") + ECHO_MESSAGE

HOLD_GRPC = """name: hold
timeout: 1h
upstreams:
  rpcs:
    protocol: grpc
    port: %d
    protosets: [echo.binpb]
    limits: {idle: none}
    optional: true
    routes:
      - match: {rpc: bench.Echo/Same}
        respond: {message: {text: "{{ message $.text }}", number: "{{ message $.number }}"}}
      - match: {rpc: bench.Echo/Fixed}
        respond: {message: {text: TEXT, number: 7}}
  api:
    protocol: h2c
    port: %d
    limits: {idle: none}
    optional: true
    routes:
      - match: POST /same
        respond: {json: {text: "{{ request.json $.text }}", number: "{{ request.json $.number }}"}}
      - match: POST /fixed
        respond: {body: BODY}
clients:
  hold: {run: [cat, "%s"]}
""".replace("TEXT", "t" * 96).replace("BODY", "b" * 105)

GRPC_START = """name: a port of gRPC
upstreams:
  api: {protocol: grpc, %s, optional: true}
steps:
  - verify: {connections: {to: api, count: 0}}
"""

GRPCIO_ECHO = """
import sys
from concurrent import futures
import grpc
def same(data):
    return data
echo = grpc.method_handlers_generic_handler("bench.Echo", {name: grpc.unary_unary_rpc_method_handler(
    lambda request, context: request, same, same) for name in ("Same", "Fixed")})
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers((echo,))
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
"""


@contextlib.contextmanager
def grpc_held(folder):
    rpcs, api = free_port(), free_port()
    fifo = os.path.join(folder, "hold")
    os.mkfifo(fifo)
    spec = os.path.join(folder, "grpc.yaml")
    with open(spec, "w", encoding="utf-8") as file:
        file.write(HOLD_GRPC % (rpcs, api, fifo))
    process = subprocess.Popen(pin(0) + [PROGRAM, "-q", spec])
    try:
        wait_port(rpcs)
        wait_port(api)
        yield rpcs, api
    finally:
        os.close(os.open(fifo, os.O_WRONLY))
        process.wait(20)
        os.unlink(fifo)


@contextlib.contextmanager
def grpcio_held():
    port = free_port()
    # Debian's Python has Debian's grpcio
    process = subprocess.Popen(pin(0) + ["/usr/bin/python3", "-c", GRPCIO_ECHO, str(port)])
    try:
        wait_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def post_load(port, path, body, seconds=2):
    return h2load(port, seconds, path, ("-d", body, "-H", "te: trailers", "-H", "content-type: application/grpc"))


def bench_grpc_start(folder):
    """What a proto adds to a port of the same protocol: bare is the same with an h2c port."""
    specs = {"bare": CLEAR_PORT.replace("protocol: http,", "protocol: h2c,"), "proto": GRPC_START % "protos: echo.proto",
             "protoset": GRPC_START % "protosets: echo.binpb"}
    times = {name: [] for name in specs}
    for name, text in specs.items():
        with open(os.path.join(folder, f"{name}.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
    for _ in range(60):
        for name in specs:
            times[name].append(spawn_ms(pin(0) + [PROGRAM, "-q", os.path.join(folder, f"{name}.yaml")]))
    added = {name: statistics.median(a - b for a, b in zip(times[name], times["bare"])) for name in ("proto", "protoset")}
    print(f"grpc: a proto adds {added['proto']:.1f} ms to {statistics.median(times['bare']):.1f} ms, "
          f"a protoset {added['protoset']:.2f} ms  (goals: 25 ms, 2 ms)")


def bench_grpc(folder):
    with open(os.path.join(folder, "echo.proto"), "w", encoding="utf-8") as file:
        file.write(ECHO_PROTO)
    subprocess.run(["protoc", "-I", folder, "--descriptor_set_out", f"{folder}/echo.binpb", f"{folder}/echo.proto"], check=True)
    body = os.path.join(folder, "body")
    with open(body, "wb") as file:
        file.write(ECHO_FRAME)
    plain_body = os.path.join(folder, "json")
    with open(plain_body, "wb") as file:
        file.write(ECHO_JSON)
    bench_grpc_start(folder)
    with grpc_held(folder) as (rpcs, api), grpcio_held() as peer:
        for what, rpc, path in (("echo", "/bench.Echo/Same", "/same"), ("a fixed answer", "/bench.Echo/Fixed", "/fixed")):
            ours, plain, theirs = [], [], []
            for _ in range(5):
                ours.append(post_load(rpcs, rpc, body))
                plain.append(post_load(api, path, plain_body))
                theirs.append(post_load(peer, rpc, body))
            print(f"grpc: {what} {statistics.median(ours):.0f}/s, own h2c with JSON of that size {statistics.median(plain):.0f}/s, "
                  f"ratio {median_ratio(ours, plain):.2f}; grpcio {statistics.median(theirs):.0f}/s, "
                  f"ratio {median_ratio(ours, theirs):.1f}  (goals: 0.8, 5)")


ALL = {"start": bench_start, "many": bench_many, "stand-in": bench_stand_in, "idle": bench_idle, "timers": bench_timers,
       "tls": bench_tls, "h2c": bench_h2c, "proxy": bench_proxy, "faults": bench_faults,
       "http-proxy": bench_http_proxy, "grpc": bench_grpc}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        with tempfile.TemporaryDirectory() as folder:
            ALL[name](folder)
