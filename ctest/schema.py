#!/usr/bin/env python3
"""The JSON Schema and the program agree.

schema/goto-run.schema.json is what `goto-run schema` prints; a real validator accepts every example and
every spec of ctest/specs, and refuses every file of ctest/wrong, but for those that say in a comment
`# schema: cannot express` with the reason: these it must accept (or they are no YAML at all).
"""
import glob
import json
import os
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """YAML 1.2 core schema: only true and false are booleans; no timestamps, no sexagesimals."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
     "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))


def construct_int(loader, node):
    text = loader.construct_scalar(node)
    return int(text, 0 if text.startswith(("0x", "0o")) else 10)


def construct_map(loader, node, deep=False):
    result = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key_node.tag != "tag:yaml.org,2002:str":
            key = key_node.value  # a key is its text
        if key in result:
            raise yaml.YAMLError("duplicate key")
        result[key] = loader.construct_object(value_node, deep=True)
    return result


Loader.add_constructor("tag:yaml.org,2002:int", construct_int)
Loader.add_constructor("tag:yaml.org,2002:map", construct_map)

program = os.environ.get("GOTO_RUN", "build/dev/goto-run")
printed = subprocess.run([program, "schema"], check=True, capture_output=True, text=True).stdout
failures = []
with open("schema/goto-run.schema.json", encoding="utf-8") as file:
    if file.read() != printed:
        failures.append("schema/goto-run.schema.json is not what `goto-run schema` prints: write it anew")
reference = subprocess.run([program, "reference"], check=True, capture_output=True, text=True).stdout
with open("docs/reference.md", encoding="utf-8") as file:
    if file.read() != reference:
        failures.append("docs/reference.md is not what `goto-run reference` prints: write it anew")
schema = json.loads(printed)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)


def verdict(path):
    """None: no YAML; else the list of errors of all documents."""
    try:
        with open(path, encoding="utf-8") as stream:
            documents = list(yaml.load_all(stream, Loader))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    if not documents:
        return None
    errors = []
    for document in documents:
        errors += [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
                   for error in validator.iter_errors(document)]
    return errors


good = sorted(glob.glob("examples/**/*.goto.yaml", recursive=True) + glob.glob("ctest/specs/**/*.goto.yaml", recursive=True))
wrong = sorted(glob.glob("ctest/wrong/*.yaml"))
for path in good:
    errors = verdict(path)
    if errors is None or errors:
        failures.append(f"{path}: the schema refuses a good spec: {errors}")
for path in wrong:
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(100000)
    beyond = "# schema: cannot express" in text
    errors = verdict(path)
    if errors is None:
        continue
    if beyond and errors:
        failures.append(f"{path}: says that a schema cannot express it, but it does: {errors}")
    if not beyond and not errors:
        failures.append(f"{path}: the schema accepts a wrong spec")
for failure in failures:
    print(failure)
print(f"{len(good)} good, {len(wrong)} wrong specs, {len(failures)} disagreements")
sys.exit(1 if failures or not good or not wrong else 0)
