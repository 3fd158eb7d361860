#!/usr/bin/env python3
"""The interop cases of gRPC by a client of grpcio.

grpc_interop_client.py TARGET CASE [ca=FILE]

Ends with 0 if the case holds; else it says what does not. What the server has to do for a case is in
ctest/interop/grpc-server.yaml; cancel_after_begin waits for the signal USR2.
"""
import queue
import signal
import sys
import threading
import time

import grpc
from google.protobuf import descriptor_pb2

from grpc_interop import health, reflection, rich_status, testing

LIMIT = 30
OPTIONS = dict(word.split("=", 1) for word in sys.argv[3:])
TEST = "/grpc.testing.TestService/"


def channel(*settings, **more):
    if "ca" in OPTIONS:
        with open(OPTIONS["ca"], "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        return grpc.secure_channel(sys.argv[1], credentials, settings, **more)
    return grpc.insecure_channel(sys.argv[1], settings, **more)


class Stub:
    """The methods that the cases call."""

    def __init__(self, on):
        def method(make, path, request, response):
            return make(path, request_serializer=request.SerializeToString,
                        response_deserializer=response.FromString)
        self.empty = method(on.unary_unary, TEST + "EmptyCall", testing.Empty, testing.Empty)
        self.unary = method(on.unary_unary, TEST + "UnaryCall", testing.SimpleRequest,
                            testing.SimpleResponse)
        self.output = method(on.unary_stream, TEST + "StreamingOutputCall",
                             testing.StreamingOutputCallRequest, testing.StreamingOutputCallResponse)
        self.input = method(on.stream_unary, TEST + "StreamingInputCall",
                            testing.StreamingInputCallRequest, testing.StreamingInputCallResponse)
        self.duplex = method(on.stream_stream, TEST + "FullDuplexCall",
                             testing.StreamingOutputCallRequest, testing.StreamingOutputCallResponse)
        self.unimplemented = method(on.unary_unary, TEST + "UnimplementedCall", testing.Empty,
                                    testing.Empty)
        self.stranger = method(on.unary_unary, "/grpc.testing.UnimplementedService/UnimplementedCall",
                               testing.Empty, testing.Empty)
        self.check = method(on.unary_unary, "/grpc.health.v1.Health/Check", health.HealthCheckRequest,
                            health.HealthCheckResponse)
        self.watch = method(on.unary_stream, "/grpc.health.v1.Health/Watch", health.HealthCheckRequest,
                            health.HealthCheckResponse)
        self.reflect = {
            version: method(on.stream_stream,
                            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                            reflection.ServerReflectionRequest, reflection.ServerReflectionResponse)
            for version in ("v1", "v1alpha")}


def same(got, expected, what):
    if got != expected:
        sys.exit(f"{what}: expected {expected!r}, got {got!r}")


def fails(call, *codes):
    """The error that a call has to end with; a call is a response, a future, or an iterator."""
    try:
        result = call()
        if hasattr(result, "__next__"):
            result = list(result)
    except grpc.RpcError as error:
        if error.code() not in codes:
            sys.exit(f"expected {[code.name for code in codes]}, got {error.code()} {error.details()!r}")
        return error
    sys.exit(f"expected {[code.name for code in codes]}, got an answer")


def many(metadata, name):
    return [value for key, value in metadata if key == name]


def large():
    return testing.SimpleRequest(response_size=314159, payload={"body": bytes(271828)})


def question(size, body=0, **more):
    return testing.StreamingOutputCallRequest(response_parameters=[{"size": size}],
                                              payload={"body": bytes(body)}, **more)


def large_answer(stub, **more):
    answer = stub.unary(large(), timeout=LIMIT, **more)
    same(answer.payload.body == bytes(314159), True, "314159 zeros")


def empty_unary(stub):
    same(stub.empty(testing.Empty(), timeout=LIMIT), testing.Empty(), "the answer")


def large_unary(stub):
    large_answer(stub)


def client_streaming(stub):
    sizes = (27182, 8, 1828, 45904)
    answer = stub.input((testing.StreamingInputCallRequest(payload={"body": bytes(size)})
                         for size in sizes), timeout=LIMIT)
    same(answer.aggregated_payload_size, 74922, "the sum of sizes")


def server_streaming(stub):
    sizes = [31415, 9, 2653, 58979]
    request = testing.StreamingOutputCallRequest(response_parameters=[{"size": size} for size in sizes])
    same([answer.payload.body for answer in stub.output(request, timeout=LIMIT)],
         [bytes(size) for size in sizes], "the messages")


class Paced:
    """Requests that are sent one by one."""

    def __init__(self):
        self.queue = queue.Queue()

    def send(self, request):
        self.queue.put(request)

    def __iter__(self):
        return iter(self.queue.get, None)


def ping_pong(stub):
    paced = Paced()
    answers = stub.duplex(iter(paced), timeout=LIMIT)
    for size, body in ((31415, 27182), (9, 8), (2653, 1828), (58979, 45904)):
        paced.send(question(size, body))
        same(next(answers).payload.body, bytes(size), "a message")
    paced.send(None)
    same(list(answers), [], "what comes behind them")


def empty_stream(stub):
    same(list(stub.duplex(iter(()), timeout=LIMIT)), [], "the messages")


ECHO = (("x-grpc-test-echo-initial", "test_initial_metadata_value"),
        ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"))


def custom_metadata(stub):
    answer, unary = stub.unary.with_call(large(), timeout=LIMIT, metadata=ECHO)
    same(answer.payload.body == bytes(314159), True, "314159 zeros")
    stream = stub.duplex(iter([question(314159, 271828)]), timeout=LIMIT, metadata=ECHO)
    same([message.payload.body == bytes(314159) for message in stream], [True], "the messages")
    for call in unary, stream:
        same(many(call.initial_metadata(), ECHO[0][0]), [ECHO[0][1]], "initial metadata")
        same(many(call.trailing_metadata(), ECHO[1][0]), [ECHO[1][1]], "trailing metadata")


def status_of(stub, message):
    asked = {"code": 2, "message": message}
    unary = testing.SimpleRequest(response_status=asked)
    stream = testing.StreamingOutputCallRequest(response_status=asked)
    for call in (lambda: stub.unary(unary, timeout=LIMIT),
                 lambda: stub.duplex(iter([stream]), timeout=LIMIT)):
        same(fails(call, grpc.StatusCode.UNKNOWN).details(), message, "the message")


def status_code_and_message(stub):
    status_of(stub, "test status message")


def special_status_message(stub):
    status_of(stub, "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")


def unimplemented_method(stub):
    fails(lambda: stub.unimplemented(testing.Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(stub):
    fails(lambda: stub.stranger(testing.Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


def cancel_after_begin(stub):
    # HEADERS go out with the first message: what is cancelled before was never begun for the server
    paced = Paced()
    call = stub.input.future(iter(paced), timeout=LIMIT)
    paced.send(testing.StreamingInputCallRequest())
    signal.sigwait([signal.SIGUSR2])
    same(call.cancel(), True, "cancel")
    paced.send(None)
    same(call.code(), grpc.StatusCode.CANCELLED, "the status")


def cancel_after_first_response(stub):
    paced = Paced()
    call = stub.duplex(iter(paced), timeout=LIMIT)
    paced.send(question(31415, 27182))
    same(next(call).payload.body, bytes(31415), "the message")
    call.cancel()
    fails(lambda: call, grpc.StatusCode.CANCELLED)
    paced.send(None)


def timeout_on_sleeping_server(stub):
    stub.empty(testing.Empty(), timeout=LIMIT)  # a connection
    paced = Paced()
    paced.send(question(31415, 27182))
    fails(lambda: stub.duplex(iter(paced), timeout=0.001), grpc.StatusCode.DEADLINE_EXCEEDED)
    paced.send(None)


# What is not among the cases of gRPC.


def compressed(stub):
    gzip = Stub(channel(compression=grpc.Compression.Gzip))
    large_answer(gzip)
    answers = gzip.duplex(iter([question(314159, 271828)] * 2), timeout=LIMIT)
    same([answer.payload.body == bytes(314159) for answer in answers], [True, True], "the messages")


def bulk(stub):
    answers = stub.duplex(iter([question(314159, 271828)] * 32), timeout=LIMIT)
    same([answer.payload.body == bytes(314159) for answer in answers], [True] * 32, "the messages")


def enough(stub):
    """The server ends the call while messages are still on their way."""
    ended = threading.Event()

    def questions():
        while not ended.is_set():
            yield question(9, 27182)

    fails(lambda: stub.duplex(questions(), timeout=LIMIT), grpc.StatusCode.ABORTED)
    ended.set()


def parallel(stub):
    calls = [stub.unary.future(large(), timeout=LIMIT) for _ in range(50)]
    same([call.result().payload.body == bytes(314159) for call in calls], [True] * 50, "the answers")


def metadata(stub):
    sent = (("x-many", "a"), ("x-many", "b"), ("x-raw-bin", b"\x00\xff"), ("x-raw-bin", b""))
    _, call = stub.unary.with_call(testing.SimpleRequest(), timeout=LIMIT, metadata=sent)
    same(many(call.initial_metadata(), "x-many"), ["c", "d"], "x-many")
    same(many(call.initial_metadata(), "x-raw-bin"), [b"\x00\xff", b"\x01"], "x-raw-bin")
    same(many(call.trailing_metadata(), "x-many"), ["e", "f"], "x-many of the trailers")
    same(many(call.trailing_metadata(), "x-raw-bin"), [b"\x02", b"\xfe\xff"], "x-raw-bin of them")


def deadline(stub):
    stub.empty(testing.Empty(), timeout=LIMIT)  # a connection
    started = time.monotonic()
    fails(lambda: stub.unary(testing.SimpleRequest(), timeout=0.5), grpc.StatusCode.DEADLINE_EXCEEDED)
    same(0.4 < time.monotonic() - started < LIMIT, True, "its time")


def server_cancels(stub):
    fails(lambda: stub.unary(testing.SimpleRequest(), timeout=LIMIT), grpc.StatusCode.CANCELLED)


def status_details(stub):
    detail = testing.EchoStatus(code=9, message="\u00fcber")
    asked = testing.SimpleRequest(response_status=detail)
    error = fails(lambda: stub.unary(asked, timeout=LIMIT), grpc.StatusCode.FAILED_PRECONDITION)
    same(many(error.trailing_metadata(), "grpc-status-details-bin"),
         [rich_status(9, "\u00fcber", detail)], "the details")


def reflected(stub, version):
    call = stub.reflect[version](iter([
        reflection.ServerReflectionRequest(list_services=""),
        reflection.ServerReflectionRequest(file_containing_symbol="grpc.testing.TestService"),
        reflection.ServerReflectionRequest(file_by_filename="testing.proto"),
        reflection.ServerReflectionRequest(file_containing_symbol="grpc.testing.Nothing")]), timeout=LIMIT)
    services, symbol, file, missing = list(call)
    same(sorted(service.name for service in services.services.service),
         ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
          "grpc.testing.TestService", "grpc.testing.UnimplementedService"], "the services")
    for answer in symbol, file:
        told = descriptor_pb2.FileDescriptorProto.FromString(answer.files.file_descriptor_proto[0])
        ours = descriptor_pb2.FileDescriptorProto.FromString(testing.DESCRIPTOR.serialized_pb)
        for message in told.message_type:
            for field in message.field:
                field.ClearField("json_name")  # which Python's modules leave out
        same(told == ours, True, "the descriptor is protoc's")
    same(missing.error.error_code, 5, "what there is not")


def reflection_v1(stub):
    reflected(stub, "v1")


def reflection_v1alpha(stub):
    reflected(stub, "v1alpha")


def health_check(stub):
    for service, state in ("", "SERVING"), ("grpc.testing.TestService", "NOT_SERVING"):
        answer = stub.check(health.HealthCheckRequest(service=service), timeout=LIMIT)
        same(health.HealthCheckResponse.ServingStatus.Name(answer.status), state, "of " + repr(service))
    fails(lambda: stub.check(health.HealthCheckRequest(service="other"), timeout=LIMIT),
          grpc.StatusCode.NOT_FOUND)


def health_watch(stub):
    call = stub.watch(health.HealthCheckRequest(service="grpc.testing.TestService"), timeout=LIMIT)
    for answer in call:
        name = health.HealthCheckResponse.ServingStatus.Name(answer.status)
        print("health", name, flush=True)
        if name == "SERVING":
            break
    call.cancel()


def too_large_there(stub):
    error = fails(lambda: stub.unary(testing.SimpleRequest(payload={"body": bytes(2 << 20)}),
                                     timeout=LIMIT), grpc.StatusCode.RESOURCE_EXHAUSTED)
    same("larger than max" in error.details(), True, error.details())


def too_large_here(stub):
    fails(lambda: stub.unary(testing.SimpleRequest(), timeout=LIMIT), grpc.StatusCode.RESOURCE_EXHAUSTED)


def pinging():
    return Stub(channel(("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 2000),
                        ("grpc.http2.max_pings_without_data", 0)))


def keep_alive(_):
    answers = list(pinging().output(testing.StreamingOutputCallRequest(), timeout=LIMIT))
    same(len(answers), 2, "messages that come 1 s apart")


def keep_alive_lost(_):
    fails(lambda: pinging().output(testing.StreamingOutputCallRequest(), timeout=LIMIT),
          grpc.StatusCode.UNAVAILABLE)


# The negative cases of HTTP/2.


def goaway(stub):
    large_answer(stub)
    large_answer(stub)


def broken(stub):
    return fails(lambda: stub.unary(large(), timeout=LIMIT), *set(grpc.StatusCode) - {
        grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED})


rst_after_header = rst_during_data = rst_after_data = broken


def ping(stub):
    large_answer(stub)


def max_streams(stub):
    large_answer(stub)  # the settings are known
    calls = [stub.unary.future(large(), timeout=LIMIT) for _ in range(10)]
    same([call.result().payload.body == bytes(314159) for call in calls], [True] * 10, "the answers")


# before any thread is there that could take it
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
globals()[sys.argv[2]](Stub(channel(("grpc.enable_retries", 0))))
print("passed")
