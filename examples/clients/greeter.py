"""A gRPC service by grpcio that can tell its own types (reflection): demo.Greeter with Greet and Count.

greeter.py PORT; prints "ready" once it listens. It needs Debian's python3-grpcio and python3-protobuf.
"""
import sys
import time
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto


def field(name, number, kind):
    return FIELD(name=name, number=number, type=kind, label=FIELD.LABEL_OPTIONAL)


def file_of(name, package, messages):
    """A .proto file without its text."""
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message, fields in messages.items():
        file.message_type.add(name=message).field.extend(fields)
    return file


GREETER = file_of("greeter.proto", "demo", {
    "Hello": [field("name", 1, FIELD.TYPE_STRING), field("count", 2, FIELD.TYPE_INT32)],
    "Greeting": [field("text", 1, FIELD.TYPE_STRING), field("number", 2, FIELD.TYPE_INT32)]})
SERVICE = GREETER.service.add(name="Greeter")
SERVICE.method.add(name="Greet", input_type=".demo.Hello", output_type=".demo.Greeting")
SERVICE.method.add(name="Count", input_type=".demo.Hello", output_type=".demo.Greeting",
                   server_streaming=True)

# what of the reflection protocol is needed here
REFLECTION = file_of("reflection.proto", "reflection", {
    "Request": [field("file_containing_symbol", 4, FIELD.TYPE_STRING)],
    "Files": [FIELD(name="file_descriptor_proto", number=1, type=FIELD.TYPE_BYTES,
                    label=FIELD.LABEL_REPEATED)],
    "Response": [FIELD(name="file_descriptor_response", number=4, type=FIELD.TYPE_MESSAGE,
                       type_name=".reflection.Files", label=FIELD.LABEL_OPTIONAL)]})

POOL = descriptor_pool.DescriptorPool()
POOL.Add(GREETER)
POOL.Add(REFLECTION)


def message(name):
    return message_factory.MessageFactory(POOL).GetPrototype(POOL.FindMessageTypeByName(name))


Hello, Greeting = message("demo.Hello"), message("demo.Greeting")
Request, Response = message("reflection.Request"), message("reflection.Response")


def greet(hello, context):
    context.set_trailing_metadata((("x-language", "en"),))
    if not hello.name:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "whom?")
    if hello.name == "sloth":
        time.sleep(2)
    return Greeting(text="hello, " + hello.name)


def count(hello, context):
    for number in range(1, hello.count + 1):
        yield Greeting(text=hello.name, number=number)


def reflect(requests, context):
    for _ in requests:
        response = Response()
        response.file_descriptor_response.file_descriptor_proto.append(GREETER.SerializeToString())
        yield response


def handler(make, function, request, response):
    return make(function, request_deserializer=request.FromString,
                response_serializer=response.SerializeToString)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers((
    grpc.method_handlers_generic_handler("demo.Greeter", {
        "Greet": handler(grpc.unary_unary_rpc_method_handler, greet, Hello, Greeting),
        "Count": handler(grpc.unary_stream_rpc_method_handler, count, Hello, Greeting)}),
    grpc.method_handlers_generic_handler("grpc.reflection.v1alpha.ServerReflection", {
        "ServerReflectionInfo": handler(grpc.stream_stream_rpc_method_handler, reflect, Request,
                                        Response)})))
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
print("ready", flush=True)
server.wait_for_termination()
