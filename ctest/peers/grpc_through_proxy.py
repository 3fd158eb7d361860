"""A server and a client of gRPC on the two sides of a proxy: all kinds of calls, by bytes.

    grpc_through_proxy.py server PORT
    grpc_through_proxy.py client PROXY_ADDRESS
"""
import sys
import threading

from concurrent import futures

import grpc

cancelled = threading.Event()


def unary(request, context):
    context.set_trailing_metadata((("x-trailer", "t"),))
    if request == b"was it cancelled?":
        heard = cancelled.wait(10)
        cancelled.clear()
        return b"yes" if heard else b"no"
    return b"<" + request + b">"


def gather(requests, context):
    return b"+".join(requests)


def spread(request, context):
    for i in range(3):
        yield request + b"%d" % i


def talk(requests, context):
    context.send_initial_metadata((("x-head", "h"),))
    for request in requests:
        if request == b"stop":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "asked to")
        yield b"re:" + request


def hang(requests, context):
    context.add_callback(cancelled.set)
    for request in requests:
        yield b"re:" + request


kinds = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Gather": grpc.stream_unary_rpc_method_handler(gather),
    "Spread": grpc.unary_stream_rpc_method_handler(spread),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
    "Hang": grpc.stream_stream_rpc_method_handler(hang),
}
if sys.argv[1] == "server":
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.S", kinds),))
    assert server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
    server.start()
    server.wait_for_termination()
    sys.exit(0)

channel = grpc.insecure_channel(sys.argv[2])


class Sender:
    """Gives a call its messages one by one."""

    def __init__(self):
        self.ready = threading.Condition()
        self.messages = []
        self.ended = False

    def send(self, message):
        with self.ready:
            self.messages.append(message)
            self.ready.notify()

    def end(self):
        with self.ready:
            self.ended = True
            self.ready.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.ready:
            while not self.messages and not self.ended:
                self.ready.wait()
            if self.messages:
                return self.messages.pop(0)
            raise StopIteration


def check(name, got, wanted):
    if got != wanted:
        sys.exit(f"{name}: {got!r}, not {wanted!r}")
    print(name, "ok", flush=True)


ask = channel.unary_unary("/t.S/Unary")
answer, call = ask.with_call(b"a", timeout=10)
check("unary", answer, b"<a>")
check("trailers", dict(call.trailing_metadata()).get("x-trailer"), "t")
check("client stream", channel.stream_unary("/t.S/Gather")(iter([b"a", b"b", b"c"]), timeout=10), b"a+b+c")
check("server stream", list(channel.unary_stream("/t.S/Spread")(b"m", timeout=10)), [b"m0", b"m1", b"m2"])

sender = Sender()
talking = channel.stream_stream("/t.S/Talk")(sender, timeout=20)
heard = []
for i in range(50):
    sender.send(b"%d" % i)
    heard.append(next(talking))
check("ping-pong", heard, [b"re:%d" % i for i in range(50)])
check("head", dict(talking.initial_metadata()).get("x-head"), "h")
sender.end()
check("end", list(talking), [])
check("status", talking.code(), grpc.StatusCode.OK)

sender = Sender()
talking = channel.stream_stream("/t.S/Talk")(sender, timeout=20)
sender.send(b"a")
next(talking)
sender.send(b"stop")
try:
    next(talking)
    sys.exit("the far side's end was not heard")
except grpc.RpcError as error:
    check("early end", (error.code(), error.details()), (grpc.StatusCode.FAILED_PRECONDITION, "asked to"))
sender.end()

sender = Sender()
hanging = channel.stream_stream("/t.S/Hang")(sender, timeout=20)
sender.send(b"a")
check("before cancel", next(hanging), b"re:a")
hanging.cancel()
check("cancel", ask(b"was it cancelled?", timeout=20), b"yes")
sender.end()

sender = Sender()
late = channel.stream_stream("/t.S/Hang")(sender, timeout=0.5)
sender.send(b"a")
check("before deadline", next(late), b"re:a")
try:
    next(late)
    sys.exit("the deadline was not kept")
except grpc.RpcError as error:
    check("deadline", error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
check("the far side hears of it", ask(b"was it cancelled?", timeout=20), b"yes")
sender.end()

large = b"x" * (3 << 20)
sender = Sender()
talking = channel.stream_stream("/t.S/Talk")(sender, timeout=30)
for i in range(8):
    sender.send(large)
    if next(talking) != b"re:" + large:
        sys.exit("a large message came as another")
sender.end()
check("large messages", list(talking), [])
channel.close()
