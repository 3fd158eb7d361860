#!/usr/bin/env python3
"""Files of up to 16 MiB that are made to be slow, deep or large: `check` judges each in a bounded time."""
import os
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(os.environ.get("GOTO_RUN", "build/dev/goto-run"))
MOST = 16 * 1024 * 1024
SECONDS = 30  # with sanitizers, on a busy machine; what is quadratic takes minutes
HTTP = "upstreams: {api: {protocol: http%s}}\nsteps:\n"


def filled(head, part, tail=""):
    """As many parts between head and tail as a file may hold."""
    return head + part * ((MOST - len(head) - len(tail)) // len(part)) + tail


def chain(length):
    """Variables of which each holds the next one twice."""
    return "vars: {" + ", ".join(f'v{n}: "${{v{n + 1}}}${{v{n + 1}}}"' for n in range(length)) + f', v{length}: "0123456789"}}\n'


FILES = {  # name: (text, exit status)
    "brackets": (filled("", "["), 2),
    "dashes": (filled("", "- "), 2),
    "mappings": (filled("a: ", "{a: "), 2),
    "aliases": (filled("a: &a [1]\nb: [", "*a,", "]"), 2),
    "anchors": ("[" + "".join(f"&a{n} 1, " for n in range(90000)) + "]", 2),
    "documents": (filled("", "---\n"), 2),
    "scenarios of one name": ("---\nname: a\nsteps: [{sleep: 0ms}]\n" * 12000, 0),
    "steps of one name": (HTTP % "" + "  - http: GET ${api}/x\n" * 33000, 0),
    "unknown keys": ("".join(f"k{n}: 1\n" for n in range(49000)), 2),
    "unknown variables": ("steps:\n" + "".join(f"  - http: GET ${{z{n}}}/x\n" for n in range(30000)), 2),
    "quotes": (filled("a: ", '"'), 2),
    "escapes": (filled('a: "', "\\u0041", '"'), 2),
    "line of comment": (filled("", "#"), 2),
    "%TAG": (filled("", "%TAG ! x\n"), 2),
    "NUL": (filled("", "\0"), 2),
    "too long": ("a" * (MOST + 1), 2),
    "variables in variables": (chain(19) + 'steps: [{log: "${v0}"}]\n', 2),
    "endless variables": ('vars: {a: "${b}", b: "${a}"}\nsteps: [{log: "${a}"}]\n', 2),
    "opened variables": (filled("steps:\n - run: [x, '", "${", "']\n"), 2),
    # fewer: the sanitizer looks at all of the text for each of them
    "templates": (HTTP % (', routes: [{match: /, respond: {body: "' + "{{ now | upper }}" * 100000 + '"}}]') + "  - http: GET ${api}/\n", 0),
    "captures": (HTTP % (", routes: [{match: GET " + "".join(f"/{{a{n}}}" for n in range(100000)) + "}]") + "  - sleep: 0ms\n", 2),
    "regular expression": (HTTP % "" + '  - {http: "GET ${api}/", expect: {body: {matches: "' + "(a{1,1000}){1,1000}" * 10 + '"}}}\n', 2),
    "JSONPath": (HTTP % "" + "  - {http: 'GET ${api}/', expect: {jsonpath: {'$[?" + "(" * 100 * 1000 + "': 1}}}\n", 2),
}
failed = 0
with tempfile.TemporaryDirectory() as folder:
    for name, (text, status) in FILES.items():
        path = os.path.join(folder, "hostile.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        start = time.monotonic()
        try:
            result = subprocess.run([PROGRAM, "check", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
            fault = None if result.returncode == status else (
                f"exit status {result.returncode}, not {status}: {(result.stdout + result.stderr)[:1000].decode(errors='replace')}")
        except subprocess.TimeoutExpired:
            fault = f"not judged within {SECONDS} s"
        if fault:
            failed += 1
            print(f"{name}: {fault}")
        elif os.environ.get("VERBOSE"):
            print(f"{name}: {time.monotonic() - start:.2f} s")
print(f"{len(FILES)} hostile files, {failed} failures")
sys.exit(1 if failed else 0)
