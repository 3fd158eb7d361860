"""Compares our message codec with python3-protobuf and protoc, on random messages.

    compare.py MESSAGE_TOOL SET [SEED [COUNT]]

Messages of every type of rich2.proto and rich3.proto are made with python3-protobuf. Then

- JSON by json_format, encoded by us, must be the bytes that Python serializes deterministically;
- those bytes, decoded by us, must be the JSON of json_format;
- the same message written otherwise on the wire (other order, in pieces, packed or not, long
  varints) must decode and encode again to what Python makes of it, unknown fields included;
- what we encode, protoc must decode, and what protoc encodes must be what we encode.
"""
import json
import math
import random
import subprocess
import sys

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, json_format
from google.protobuf import field_mask_pb2, message_factory, struct_pb2, text_format, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor as F

ROOTS = ("Scalars Optionals Lists Maps Choice Tree Known Names Rich".split(),
         "Defaults Needs Groups Packing Extended Old".split())
INTS = {F.TYPE_INT32: (-2**31, 2**31 - 1), F.TYPE_SINT32: (-2**31, 2**31 - 1),
        F.TYPE_SFIXED32: (-2**31, 2**31 - 1), F.TYPE_INT64: (-2**63, 2**63 - 1),
        F.TYPE_SINT64: (-2**63, 2**63 - 1), F.TYPE_SFIXED64: (-2**63, 2**63 - 1),
        F.TYPE_UINT32: (0, 2**32 - 1), F.TYPE_FIXED32: (0, 2**32 - 1),
        F.TYPE_UINT64: (0, 2**64 - 1), F.TYPE_FIXED64: (0, 2**64 - 1)}
TEXTS = ["", "a", "ä€😀", "with \"quotes\" and \\", "nul \0 inside", "line\nend", "\u2028", "x" * 200]


def fail(what, *details):
    print("FAILED:", what)
    for detail in details:
        print("   ", str(detail)[:2000])
    sys.exit(1)


class Tool:
    def __init__(self, program, descriptors):
        self.process = subprocess.Popen([program, descriptors], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace")

    def ask(self, order, name, text):
        self.process.stdin.write(f"{order} {name} {text}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")


class Maker:
    """Random messages."""

    def __init__(self, seed, pool, factory):
        self.random = random.Random(seed)
        self.pool, self.factory = pool, factory

    def scalar(self, field):
        r = self.random
        if field.type in INTS:
            low, high = INTS[field.type]
            return r.choice([0, 1, low, high, low + 1, 127, 128, max(low, -1), r.randint(low, high),
                             r.randint(0, 300)])
        if field.type == F.TYPE_DOUBLE:
            return r.choice([0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308,
                             0.1, 1e100, r.uniform(-1e6, 1e6), r.random() * 10**r.randint(-300, 300), 2.0**53])
        if field.type == F.TYPE_FLOAT:
            return r.choice([0.0, -0.0, 0.5, math.inf, -math.inf, math.nan, 1.401298464324817e-45,
                             3.4028234663852886e38, r.uniform(-1e6, 1e6), r.random() * 10**r.randint(-30, 30)])
        if field.type == F.TYPE_BOOL:
            return r.random() < 0.5
        if field.type == F.TYPE_STRING:
            return r.choice(TEXTS + ["".join(chr(r.randint(32, 0x2fff)) for _ in range(r.randint(0, 20)))])
        if field.type == F.TYPE_BYTES:
            return bytes(r.randrange(256) for _ in range(r.choice([0, 1, 2, 3, 4, 40, 200])))
        if field.enum_type.full_name == "google.protobuf.NullValue":
            return 0
        numbers = [v.number for v in field.enum_type.values]
        if field.file.syntax == "proto3":
            numbers += [77, -2**31]
        return r.choice(numbers)

    def json_value(self, depth):
        r = self.random
        kinds = [None, True, False, 1.5, -3, "", "text", "ü"] + ([] if depth <= 0 else [[], {}] * 3)
        kind = r.choice(kinds)
        if kind == []:
            return [self.json_value(depth - 1) for _ in range(r.randint(0, 3))]
        if kind == {}:
            return {r.choice(TEXTS): self.json_value(depth - 1) for _ in range(r.randint(0, 3))}
        return kind

    def known(self, message, depth):
        """Fills a message with a JSON form of its own; false if it is none."""
        r, name = self.random, message.DESCRIPTOR.full_name
        if name == "google.protobuf.Timestamp":
            message.seconds = r.choice([0, -62135596800, 253402300799, r.randint(-62135596800, 253402300799)])
            message.nanos = r.choice([0, 1, 999999999, 500000000, 120000, r.randint(0, 999999999)])
        elif name == "google.protobuf.Duration":
            sign = r.choice([1, -1])
            message.seconds = sign * r.choice([0, 1, 315576000000 - 1, r.randint(0, 10**6)])
            message.nanos = sign * r.choice([0, 1, 999999999, 500000000, 120000])
        elif name == "google.protobuf.FieldMask":
            message.paths.extend(r.sample(["a", "b_c", "foo_bar.baz_q", "x1", "long_name_of.a_path"],
                                          r.randint(0, 4)))
        elif name == "google.protobuf.Struct":
            json_format.ParseDict({r.choice(TEXTS): self.json_value(3) for _ in range(r.randint(0, 4))}, message)
        elif name == "google.protobuf.ListValue":
            json_format.ParseDict([self.json_value(3) for _ in range(r.randint(0, 4))], message)
        elif name == "google.protobuf.Value":
            json_format.ParseDict(self.json_value(3), message)
        elif name == "google.protobuf.Any":
            kind = r.choice(["rich.Scalars", "rich.Known", "rich.Tree", "rich.old.Groups",
                             "google.protobuf.Timestamp", "google.protobuf.Value", "google.protobuf.Any",
                             "google.protobuf.Int64Value", "google.protobuf.Empty", None])
            if kind:
                inner = self.make(kind, depth - 2)
                message.type_url = r.choice(["type.googleapis.com/", "example.org/a/"]) + kind
                message.value = inner.SerializeToString(deterministic=True)
        else:
            return False
        return True

    def fill(self, message, depth):
        if self.known(message, depth):
            return
        r = self.random
        fields = list(message.DESCRIPTOR.fields)
        if message.DESCRIPTOR.GetOptions().HasField("map_entry"):
            return
        fields += list(self.pool.FindAllExtensions(message.DESCRIPTOR))
        for field in fields:
            required = field.label == F.LABEL_REQUIRED
            if not required and (r.random() < 0.4 or (field.message_type and depth <= 0)):
                continue
            if field.is_extension:
                self.set_field(message.Extensions[field] if field.label == F.LABEL_REPEATED or field.message_type
                               else None, message, field, depth)
            else:
                self.set_field(getattr(message, field.name) if field.label == F.LABEL_REPEATED or
                               field.message_type else None, message, field, depth)

    def set_field(self, place, message, field, depth):
        r = self.random
        count = r.choice([0, 1, 2, 5])
        if field.message_type and field.message_type.GetOptions().map_entry:
            key, value = (field.message_type.fields_by_name[n] for n in ("key", "value"))
            for _ in range(count):
                if value.message_type:
                    self.fill(place[self.scalar(key)], depth - 1)
                else:
                    place[self.scalar(key)] = self.scalar(value)
        elif field.label == F.LABEL_REPEATED:
            for _ in range(count):
                if field.message_type:
                    self.fill(place.add(), depth - 1)
                else:
                    place.append(self.scalar(field))
        elif field.message_type:
            place.SetInParent()
            self.fill(place, depth - 1)
        elif field.is_extension:
            message.Extensions[field] = self.scalar(field)
        else:
            setattr(message, field.name, self.scalar(field))

    def make(self, name, depth=3):
        message = self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))()
        self.fill(message, depth)
        return message


# wire, written otherwise

def varint(value, pad=0):
    out = bytearray()
    while value >= 0x80 or pad > len(out):
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields_of(data):
    """(number, wire type, content as bytes or number, raw) of each field; groups by their content."""
    at = 0
    while at < len(data):
        start = at
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            content, at = read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            content, at = data[at:at + size], at + size
        elif kind == 2:
            size, at = read_varint(data, at)
            content, at = data[at:at + size], at + size
        else:
            begin, depth = at, 1
            while depth:
                end = at
                inner, at = read_varint(data, at)
                if inner & 7 == 3:
                    depth += 1
                elif inner & 7 == 4:
                    depth -= 1
                elif inner & 7 == 0:
                    _, at = read_varint(data, at)
                elif inner & 7 == 2:
                    size, at = read_varint(data, at)
                    at += size
                else:
                    at += 8 if inner & 7 == 1 else 4
            content = data[begin:end]
        yield number, kind, content, data[start:at]


def rewrite(r, descriptor, data, unknown):
    """The same message on the wire in another way."""
    parts = []
    by_number = dict(descriptor.fields_by_number)
    for number, kind, content, raw in fields_of(data):
        field = by_number.get(number)
        if field is None:
            parts.append((number, raw))
        elif kind == 2 and field.type == F.TYPE_MESSAGE:
            inner = rewrite(r, field.message_type, content, unknown)
            is_map = field.message_type.GetOptions().map_entry
            if field.label != F.LABEL_REPEATED and not is_map and r.random() < 0.3:
                # in two pieces, which are merged
                split = list(fields_of(inner))
                at = r.randint(0, len(split))
                for piece in (split[:at], split[at:]):
                    body = b"".join(x[3] for x in piece)
                    parts.append((number, varint(number << 3 | 2) + varint(len(body), r.choice([0, 2])) + body))
            else:
                parts.append((number, varint(number << 3 | 2) + varint(len(inner)) + inner))
        elif kind == 3:
            inner = rewrite(r, field.message_type, content, unknown)
            parts.append((number, varint(number << 3 | 3) + inner + varint(number << 3 | 4)))
        elif kind == 2 and field.label == F.LABEL_REPEATED and field.type not in (F.TYPE_STRING, F.TYPE_BYTES):
            parts.extend((number, x) for x in unpack(field, content))
        elif kind == 0 and r.random() < 0.3:
            parts.append((number, varint(number << 3, r.choice([0, 1, 4])) +
                          varint(content, r.choice([0, 5, 9]))))
        else:
            parts.append((number, raw))
    if unknown and not descriptor.GetOptions().map_entry and not descriptor.full_name.startswith("google."):
        parts.append((5000, varint(5000 << 3 | 2) + b"\x03new"))
        parts.append((6000, varint(6000 << 3 | 3) + b"\x08\x01" + varint(6000 << 3 | 4)))
    # in any order, but that of one field and of the members of oneofs kept
    places = {}
    for number, part in parts:
        field = by_number.get(number)
        oneof = field.containing_oneof.name if field and field.containing_oneof else number
        places.setdefault(oneof, []).append(part)
    order = [oneof for oneof, list_ in places.items() for _ in list_]
    r.shuffle(order)
    return b"".join(places[oneof].pop(0) for oneof in order)


def unpack(field, content):
    at = 0
    while at < len(content):
        if field.type in (F.TYPE_DOUBLE, F.TYPE_FIXED64, F.TYPE_SFIXED64):
            kind, end = 1, at + 8
        elif field.type in (F.TYPE_FLOAT, F.TYPE_FIXED32, F.TYPE_SFIXED32):
            kind, end = 5, at + 4
        else:
            kind, end = 0, read_varint(content, at)[1]
        yield varint(field.number << 3 | kind) + content[at:end]
        at = end


def same(a, b):
    """JSON values are equal; numbers by value."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b


def to_json(message, **options):
    text = json_format.MessageToJson(message, indent=None, **options)
    # json_format leaves out the brackets and the package of repeated extensions
    return text.replace('"numbers": [', '"[rich.old.numbers]": [')


class Test:
    def __init__(self, program, descriptors, seed):
        self.pool = descriptor_pool.DescriptorPool()
        with open(descriptors, "rb") as file:
            for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
                self.pool.AddSerializedFile(proto.SerializeToString())
        self.factory = message_factory.MessageFactory(self.pool)
        # extensions have to be known to the classes
        for name in ("rich2.proto", "rich3.proto"):
            self.factory.GetMessages([name])
        self.descriptors = descriptors
        self.tool = Tool(program, descriptors)
        self.maker = Maker(seed, self.pool, self.factory)
        self.random = random.Random(seed + 1)

    def check(self, name, message):
        data = message.SerializeToString(deterministic=True)
        names = self.random.random() < 0.3
        text = to_json(message, descriptor_pool=self.pool, preserving_proto_field_name=names)
        ours = self.tool.ask("encode", name, text)
        if ours != data.hex():
            fail(f"encode {name}", text, "ours   " + ours, "Python " + data.hex())
        got = self.tool.ask("original" if names else "decode", name, data.hex())
        if got.startswith("error") or not same(json.loads(got), json.loads(text)):
            fail(f"decode {name}", data.hex(), "ours   " + got, "Python " + text)

    def check_varied(self, name, message):
        """The same JSON with its members in any order, and enums by their numbers."""
        def shuffled(value):
            if isinstance(value, dict):
                items = [(key, shuffled(inner)) for key, inner in value.items()]
                self.random.shuffle(items)
                return dict(items)
            return [shuffled(inner) for inner in value] if isinstance(value, list) else value
        data = message.SerializeToString(deterministic=True)
        text = to_json(message, descriptor_pool=self.pool, use_integers_for_enums=True)
        text = json.dumps(shuffled(json.loads(text)))
        ours = self.tool.ask("encode", name, text)
        if ours != data.hex():
            fail(f"encode {name}", text, "ours   " + ours, "Python " + data.hex())

    def check_defaults(self, name, message):
        data = message.SerializeToString(deterministic=True)
        text = to_json(message, descriptor_pool=self.pool, including_default_value_fields=True)
        got = self.tool.ask("defaults", name, data.hex())
        if got.startswith("error") or not same(json.loads(got), json.loads(text)):
            fail(f"defaults {name}", data.hex(), "ours   " + got, "Python " + text)

    def check_rewritten(self, name, message, unknown):
        data = rewrite(self.random, message.DESCRIPTOR, message.SerializeToString(deterministic=True), unknown)
        again = type(message).FromString(data)
        wanted = again.SerializeToString(deterministic=True)
        got = self.tool.ask("recode", name, data.hex())
        if got != wanted.hex():
            fail(f"recode {name}", data.hex(), "ours   " + got, "Python " + wanted.hex())

    def check_poor(self, message):
        """Another type reads it and writes it again: all but two fields are unknown."""
        poor = self.factory.GetPrototype(self.pool.FindMessageTypeByName("rich.Poor"))
        data = message.SerializeToString(deterministic=True)
        wanted = poor.FromString(data).SerializeToString(deterministic=True)
        got = self.tool.ask("recode", "rich.Poor", data.hex())
        if got != wanted.hex():
            fail("recode rich.Poor", data.hex(), "ours   " + got, "Python " + wanted.hex())

    def check_protoc(self, name, count):
        """Both ways through protoc, as text."""
        for _ in range(count):
            message = self.maker.make(name)
            text = to_json(message, descriptor_pool=self.pool)
            ours = self.tool.ask("encode", name, text)
            if ours.startswith("error"):
                fail(f"encode {name}", text, ours)
            command = ["protoc", "--descriptor_set_in=" + self.descriptors]
            files = ["rich2.proto", "rich3.proto"]
            decoded = subprocess.run(command + ["--decode=" + name] + files, input=bytes.fromhex(ours),
                                     capture_output=True, check=True).stdout
            encoded = subprocess.run(command + ["--deterministic_output", "--encode=" + name] + files,
                                     input=decoded, capture_output=True, check=True).stdout
            if encoded.hex() != ours:
                fail(f"protoc {name}", text, "ours   " + ours, "protoc " + encoded.hex())


def main():
    program, descriptors = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 60
    test = Test(program, descriptors, seed)
    checks = 0
    for package, names in zip(("rich.", "rich.old."), ROOTS):
        for name in names:
            name = package + name
            for i in range(count):
                message = test.maker.make(name)
                test.check(name, message)
                test.check_varied(name, message)
                test.check_rewritten(name, message, i % 2)
                checks += 3
                if package == "rich." and name not in ("rich.Rich", "rich.Known", "rich.Choice"):
                    test.check_defaults(name, message)
            if name == "rich.Scalars":
                for _ in range(count):
                    test.check_poor(test.maker.make(name))
            test.check_protoc(name, 2)
    print(f"{checks} comparisons: all the same")


if __name__ == "__main__":
    main()
