#!/usr/bin/env python3
"""grpc.testing.TestService by grpcio, with health and reflection.

grpc_interop_server.py PORT [tls=CERTIFICATE,KEY] [ping=MS]

Prints "ready" once it listens and "cancelled METHOD" when a client leaves a call whose answer is still to come: that of
StreamingOutputCall within `interval_us`, that of UnaryCall with the metadata x-sleep. `ping` is the time of the server's
own keep-alive. With the metadata x-details a status has details.
"""
import sys
import threading
from concurrent import futures

import grpc

from grpc_interop import health, reflection, rich_status, testing

ECHO = "x-grpc-test-echo-initial"
ECHO_BIN = "x-grpc-test-echo-trailing-bin"


def begin(context):
    """What every call does: its metadata come back. Gives the event of its end, and the trailers."""
    done = threading.Event()
    context.add_callback(done.set)
    metadata = list(context.invocation_metadata())
    back = [(key, value) for key, value in metadata if key in (ECHO, "x-many", "x-raw-bin")]
    trailing = [(key, value) for key, value in metadata if key == ECHO_BIN]
    trailing += [("x-trailing-" + key[2:], value) for key, value in metadata
                 if key in ("x-many", "x-raw-bin")]
    context.send_initial_metadata(back)
    context.set_trailing_metadata(trailing)
    return done, trailing


def status(request, context, trailing):
    asked = request.response_status
    if asked.code:
        if "x-details" in dict(context.invocation_metadata()):
            context.set_trailing_metadata(trailing + [
                ("grpc-status-details-bin", rich_status(asked.code, asked.message, asked))])
        code = [known for known in grpc.StatusCode if known.value[0] == asked.code][0]
        context.abort(code, asked.message)


def empty(_, context):
    begin(context)
    return testing.Empty()


def unary(request, context):
    if request.response_compressed.value:  # goes with the metadata that begin() sends
        context.set_compression(grpc.Compression.Gzip)
    done, trailing = begin(context)
    if "x-sleep" in dict(context.invocation_metadata()) and done.wait(60):
        print("cancelled UnaryCall", flush=True)
        return testing.SimpleResponse()
    status(request, context, trailing)
    return testing.SimpleResponse(payload={"body": bytes(request.response_size)})


def answers(request, done):
    for parameters in request.response_parameters:
        if parameters.interval_us and done.wait(parameters.interval_us / 1e6):
            print("cancelled StreamingOutputCall", flush=True)
            return
        yield testing.StreamingOutputCallResponse(payload={"body": bytes(parameters.size)})


def output(request, context):
    done, trailing = begin(context)
    status(request, context, trailing)
    yield from answers(request, done)


def collect(requests, context):
    begin(context)
    size = sum(len(request.payload.body) for request in requests)
    return testing.StreamingInputCallResponse(aggregated_payload_size=size)


def duplex(requests, context):
    done, trailing = begin(context)
    for request in requests:
        status(request, context, trailing)
        yield from answers(request, done)


def check(request, context):
    if request.service not in ("", "grpc.testing.TestService"):
        context.abort(grpc.StatusCode.NOT_FOUND, "no " + request.service)
    return health.HealthCheckResponse(status="SERVING")


def watch_health(request, context):
    known = request.service in ("", "grpc.testing.TestService")
    yield health.HealthCheckResponse(status="SERVING" if known else "SERVICE_UNKNOWN")
    done = threading.Event()
    context.add_callback(done.set)
    done.wait(60)


FILES = {file.DESCRIPTOR.name: file.DESCRIPTOR.serialized_pb for file in (testing, health, reflection)}


def reflect(requests, _):
    for request in requests:
        answer = reflection.ServerReflectionResponse(original_request=request)
        name = request.file_by_filename
        if request.WhichOneof("question") == "list_services":
            for service in ("grpc.testing.TestService", "grpc.health.v1.Health"):
                answer.services.service.add(name=service)
        elif request.file_containing_symbol.startswith("grpc.testing."):
            name = "testing.proto"
        elif request.file_containing_symbol.startswith("grpc.health."):
            name = "health.proto"
        if name in FILES:
            answer.files.file_descriptor_proto.append(FILES[name])
        elif not answer.HasField("services"):
            answer.error.error_code = 5
        yield answer


def add(server, service, table):
    makers = {"uu": grpc.unary_unary_rpc_method_handler, "us": grpc.unary_stream_rpc_method_handler,
              "su": grpc.stream_unary_rpc_method_handler,
              "ss": grpc.stream_stream_rpc_method_handler}
    handlers = {name: makers[kind](function, request_deserializer=request.FromString,
                                   response_serializer=response.SerializeToString)
                for name, (kind, function, request, response) in table.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def main():
    options = dict(word.split("=", 1) for word in sys.argv[2:])
    settings = []
    if "ping" in options:
        settings = [("grpc.keepalive_time_ms", int(options["ping"])), ("grpc.keepalive_timeout_ms", 10000),
                    ("grpc.http2.max_pings_without_data", 0),
                    ("grpc.http2.min_sent_ping_interval_without_data_ms", int(options["ping"]))]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=settings)
    add(server, "grpc.testing.TestService", {
        "EmptyCall": ("uu", empty, testing.Empty, testing.Empty),
        "UnaryCall": ("uu", unary, testing.SimpleRequest, testing.SimpleResponse),
        "StreamingOutputCall": ("us", output, testing.StreamingOutputCallRequest,
                                testing.StreamingOutputCallResponse),
        "StreamingInputCall": ("su", collect, testing.StreamingInputCallRequest,
                               testing.StreamingInputCallResponse),
        "FullDuplexCall": ("ss", duplex, testing.StreamingOutputCallRequest,
                           testing.StreamingOutputCallResponse)})
    add(server, "grpc.health.v1.Health", {
        "Check": ("uu", check, health.HealthCheckRequest, health.HealthCheckResponse),
        "Watch": ("us", watch_health, health.HealthCheckRequest, health.HealthCheckResponse)})
    for version in ("v1", "v1alpha"):
        add(server, "grpc.reflection." + version + ".ServerReflection", {
            "ServerReflectionInfo": ("ss", reflect, reflection.ServerReflectionRequest,
                                     reflection.ServerReflectionResponse)})
    address = "127.0.0.1:" + sys.argv[1]
    if "tls" in options:
        certificate, key = options["tls"].split(",")
        with open(key, "rb") as key_file, open(certificate, "rb") as certificate_file:
            pair = (key_file.read(), certificate_file.read())
        server.add_secure_port(address, grpc.ssl_server_credentials((pair,)))
    else:
        server.add_insecure_port(address)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


main()
