#!/usr/bin/env python3
"""A client of gRPC by grpcio, for any method of a .proto file.

    grpc_client.py [--metadata K=V]… [--deadline S] [--gzip] [--ca FILE] [--cancel-after N]
                   [--ping-pong] [--each] [--raw-path PATH] TARGET PROTO package.Service/Method JSON…

Prints one JSON object: messages, code, details, initial and trailing metadata.
"""
import argparse
import base64
import importlib
import json
import os
import queue
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import json_format, message_factory, symbol_database

parser = argparse.ArgumentParser()
parser.add_argument("--metadata", action="append", default=[])
parser.add_argument("--deadline", type=float)
parser.add_argument("--gzip", action="store_true")
parser.add_argument("--ca")
parser.add_argument("--ping-pong", action="store_true")
parser.add_argument("--cancel-after", type=int)
parser.add_argument("--each", action="store_true", help="print each message as it comes")
parser.add_argument("--raw-path", help="another path than that of the rpc")
parser.add_argument("target")
parser.add_argument("proto")
parser.add_argument("rpc")
parser.add_argument("messages", nargs="*")
args = parser.parse_args()

folder = tempfile.mkdtemp()
subprocess.run(["protoc", "-I", os.path.dirname(args.proto) or ".", "--python_out", folder, args.proto],
               check=True)
sys.path.insert(0, folder)
module = importlib.import_module(os.path.basename(args.proto)[:-len(".proto")] + "_pb2")
service, name = args.rpc.split("/")
method = module.DESCRIPTOR.services_by_name[service.split(".")[-1]].methods_by_name[name]
symbols = symbol_database.Default()
request_type = symbols.GetPrototype(method.input_type)
response_type = symbols.GetPrototype(method.output_type)
streams = method.client_streaming, method.server_streaming

if args.ca:
    with open(args.ca, "rb") as file:
        channel = grpc.secure_channel(args.target, grpc.ssl_channel_credentials(file.read()))
else:
    channel = grpc.insecure_channel(args.target)
kind = {(False, False): channel.unary_unary, (False, True): channel.unary_stream,
        (True, False): channel.stream_unary, (True, True): channel.stream_stream}[streams]
call = kind(args.raw_path or "/" + args.rpc, request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString)
requests = [json_format.Parse(text, request_type()) for text in args.messages]
answered = queue.Queue()


def paced():
    for index, request in enumerate(requests):
        if index:
            answered.get(timeout=10)
        yield request


def shown(message):
    """What came for a message; null for none, which grpcio takes for one that was cut."""
    return None if message is None else json_format.MessageToDict(message)


def metadata(items):
    return {key: value if isinstance(value, str) else base64.b64encode(value).decode()
            for key, value in items or ()}


options = {
    "timeout": args.deadline or 10,
    "metadata": [tuple(item.split("=", 1)) for item in args.metadata],
    "compression": grpc.Compression.Gzip if args.gzip else None,
}
given = (paced() if args.ping_pong else iter(requests)) if streams[0] else requests[0]
result = {"messages": []}
try:
    if streams[1]:
        running = call(given, **options)
        for answer in running:
            result["messages"].append(shown(answer))
            answered.put(None)
            if args.each:
                print("message", json.dumps(result["messages"][-1]), flush=True)
            if args.cancel_after == len(result["messages"]):
                running.cancel()
    else:
        answer, running = call.with_call(given, **options)
        result["messages"].append(shown(answer))
except grpc.RpcError as error:
    running = error
result["code"] = running.code().name
result["details"] = running.details()
result["initial"] = metadata(running.initial_metadata())
result["trailing"] = metadata(running.trailing_metadata())
print(json.dumps(result))
