"""A gRPC server by grpcio: shop.Orders of ctest/specs/data/store.proto, without generated code.

grpc_server.py PORT|unix:PATH [reflection=v1|v1alpha|both|none] [tls=CERTIFICATE,KEY]

The id of an order says what becomes of it: "status NAME message" ends with that status, "sleep MS"
waits before, "metadata" sends back what came, "big SIZE" fills the blob, "gzip" compresses. Prints "ready" once it
listens, and a line for each call of reflection.
"""
import os
import subprocess
import sys
import tempfile
import time
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "specs", "data")

REFLECTION = """
syntax = "proto3";
package reflection;
message Request {
  string host = 1;
  oneof message_request {
    string file_by_filename = 3;
    string file_containing_symbol = 4;
    string list_services = 7;
  }
}
message Files { repeated bytes file_descriptor_proto = 1; }
message Error { int32 error_code = 1; string error_message = 2; }
message Response {
  string valid_host = 1;
  Request original_request = 2;
  Files file_descriptor_response = 4;
  Error error_response = 7;
}
"""


def compile_set(folder, name):
    out = os.path.join(tempfile.mkdtemp(), "set")
    subprocess.run(["protoc", "-I" + folder, "--include_imports", "--descriptor_set_out=" + out,
                    os.path.join(folder, name)], check=True)
    files = descriptor_pb2.FileDescriptorSet()
    with open(out, "rb") as read:
        files.ParseFromString(read.read())
    return files


def load(pool, files):
    for file in files.file:
        pool.Add(file)


def message(pool, name):
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))


POOL = descriptor_pool.DescriptorPool()
SHOP = compile_set(DATA, "store.proto")
load(POOL, SHOP)
with tempfile.TemporaryDirectory() as temporary:
    with open(os.path.join(temporary, "reflection.proto"), "w", encoding="ascii") as written:
        written.write(REFLECTION)
    load(POOL, compile_set(temporary, "reflection.proto"))
Order = message(POOL, "shop.Order")
Empty = message(POOL, "shop.Empty")
Request = message(POOL, "reflection.Request")
Response = message(POOL, "reflection.Response")


def act(order, context):
    """What the id of an order asks for."""
    words = order.id.split(" ", 2)
    if words[0] == "status":
        context.set_trailing_metadata((("x-why", "asked"), ("x-raw-bin", b"\x00\xff")))
        context.abort(grpc.StatusCode[words[1]], words[2] if len(words) > 2 else "")
    elif words[0] == "sleep":
        time.sleep(int(words[1]) / 1000)
    elif words[0] == "metadata":
        back = [(key, value) for key, value in context.invocation_metadata()
                if key.startswith("x-")]
        # without a deadline grpcio says years
        left = context.time_remaining()
        context.send_initial_metadata(back + [
            ("x-deadline", str(left is not None and left < 1e6)), ("x-peer", context.peer())])
        context.set_trailing_metadata((("x-count", str(len(back))),))
    elif words[0] == "big":
        order.blob = bytes(range(256)) * (int(words[1]) // 256)
    elif words[0] == "gzip":
        context.set_compression(grpc.Compression.Gzip)


def place(order, context):
    act(order, context)
    return order


def collect(orders, context):
    whole = Order()
    for order in orders:
        act(order, context)
        whole.id += order.id
        whole.items.extend(order.items)
    return whole


def split(order, context):
    act(order, context)
    for item in order.items:
        one = Order(id=order.id)
        one.items.add().CopyFrom(item)
        yield one


def chat(orders, context):
    for order in orders:
        act(order, context)
        yield order


def nothing(request, context):
    return request


def by_name(name):
    for file in SHOP.file:
        if file.name == name:
            return file
    return None


def by_symbol(symbol):
    return by_name("store.proto") if symbol.startswith("shop.") else None


def reflect(requests, context):
    for request in requests:
        which = request.WhichOneof("message_request")
        print("reflection", which, getattr(request, which), flush=True)
        find = by_name if which == "file_by_filename" else by_symbol
        file = find(getattr(request, which))
        response = Response()
        response.original_request.CopyFrom(request)
        if file is None:
            response.error_response.error_code = 5
            response.error_response.error_message = "not here"
        else:
            response.file_descriptor_response.file_descriptor_proto.append(file.SerializeToString())
        yield response


def methods(server, service, table, kinds):
    makers = {"uu": grpc.unary_unary_rpc_method_handler, "us": grpc.unary_stream_rpc_method_handler,
              "su": grpc.stream_unary_rpc_method_handler,
              "ss": grpc.stream_stream_rpc_method_handler}
    handlers = {}
    for name, (kind, function, request) in table.items():
        handlers[name] = makers[kind](function, request_deserializer=request.FromString,
                                      response_serializer=kinds.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def main():
    options = dict(word.split("=", 1) for word in sys.argv[2:])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    methods(server, "shop.Orders", {
        "Place": ("uu", place, Order), "Collect": ("su", collect, Order),
        "Split": ("us", split, Order), "Chat": ("ss", chat, Order)}, Order)
    reflection = options.get("reflection", "none")
    for version in ("v1", "v1alpha"):
        if reflection in (version, "both"):
            methods(server, "grpc.reflection." + version + ".ServerReflection",
                    {"ServerReflectionInfo": ("ss", reflect, Request)}, Response)
    address = sys.argv[1] if sys.argv[1].startswith("unix:") else "127.0.0.1:" + sys.argv[1]
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
