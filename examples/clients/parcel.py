"""Asks a gRPC service where a parcel is, and asks again as long as that makes sense: parcel.py HOST:PORT ID

It needs Debian's python3-grpcio and python3-protobuf.
"""
import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TEXT = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
ONE = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL

# what of parcels.proto is needed here, as the code that protoc generates would have it
FILE = descriptor_pb2.FileDescriptorProto(name="parcels.proto", package="parcels", syntax="proto3")
FILE.message_type.add(name="Query").field.add(name="id", number=1, type=TEXT, label=ONE)
PARCEL = FILE.message_type.add(name="Parcel")
PARCEL.field.add(name="id", number=1, type=TEXT, label=ONE)
PARCEL.field.add(name="place", number=2, type=TEXT, label=ONE)

POOL = descriptor_pool.DescriptorPool()
POOL.Add(FILE)


def message(name):
    return message_factory.MessageFactory(POOL).GetPrototype(POOL.FindMessageTypeByName(name))


Query, Parcel = message("parcels.Query"), message("parcels.Parcel")
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

target, wanted = sys.argv[1:]
# a port that refused is tried again soon, and grpcio makes no call again by itself
channel = grpc.insecure_channel(target, [
    ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0)])
find = channel.unary_unary("/parcels.Parcels/Find", request_serializer=Query.SerializeToString,
                           response_deserializer=Parcel.FromString)
give_up = time.monotonic() + 30
while True:
    try:
        parcel = find(Query(id=wanted), timeout=1, wait_for_ready=True,
                      metadata=(("x-app", "parcel"),))
        print(parcel.id, "is in", parcel.place)
        break
    except grpc.RpcError as error:
        print("not yet:", error.code().name, flush=True)
        if error.code() not in AGAIN or time.monotonic() > give_up:
            sys.exit(1)
    time.sleep(0.1)
