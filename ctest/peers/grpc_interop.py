"""What the peers of grpcio have in common: grpc.testing, health and reflection, compiled when they start."""
import importlib
import os
import subprocess
import sys
import tempfile

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "specs", "data")
PROTOS = ("testing.proto", "health.proto", "reflection.proto")

with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["protoc", "-I", DATA, "--python_out", folder, *PROTOS], check=True)
    sys.path.insert(0, folder)
    testing, health, reflection = (
        importlib.import_module(name.replace(".proto", "_pb2")) for name in PROTOS)


def varint(number):
    """As protobuf writes a number."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """A field of bytes, or of a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def rich_status(code, message, detail):
    """google.rpc.Status with one detail: what grpc-status-details-bin holds."""
    any_of = (field(1, ("type.googleapis.com/" + detail.DESCRIPTOR.full_name).encode())
              + field(2, detail.SerializeToString()))
    return field(1, code) + field(2, message.encode()) + field(3, any_of)
