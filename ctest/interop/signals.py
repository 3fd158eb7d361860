#!/usr/bin/env python3
"""goto-run interrupted and killed: reports are written, nothing that it started stays."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(os.environ.get("GOTO_RUN", "build/dev/goto-run"))
SPEC = """name: long
timeout: 60s
upstreams: {{api: {{protocol: http, optional: true}}}}
clients:
  app:
    run: {{shell: "setsid sleep {mark} & sleep {mark} & touch {ready}; wait"}}
  other:
    steps: [{{http: "GET ${{api}}/"}}, {{sleep: 50s}}, {{http: "GET ${{api}}/"}}]
finally: [{{run: [touch, {ready}.finally]}}]
"""


def running(mark):
    """The processes with this argument."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().split(b"\0")[:2] == [b"sleep", mark.encode()]:
                    found.append(int(pid))
        except OSError:
            pass
    return found


def until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"never came: {what}")
        time.sleep(0.02)


def start(folder, mark):
    ready = os.path.join(folder, "ready")
    spec = os.path.join(folder, "long.yaml")
    with open(spec, "w", encoding="utf-8") as file:
        file.write(SPEC.format(mark=mark, ready=ready))
    process = subprocess.Popen([PROGRAM, "--junit", os.path.join(folder, "j.xml"), f"--tap={folder}/t.tap", spec],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: os.path.exists(ready) and len(running(mark)) == 2, "both sleeping children")
    return process


for name, number, status in (("SIGINT", signal.SIGINT, 130), ("SIGTERM", signal.SIGTERM, 130), ("SIGKILL", signal.SIGKILL, -9)):
    with tempfile.TemporaryDirectory() as folder:
        mark = f"{3600 + number}.{os.getpid()}"
        process = start(folder, mark)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        if process.returncode != status:
            sys.exit(f"{name}: exit status {process.returncode}\n{out}")
        until(lambda: not running(mark), f"{name}: the end of all that was started")
        if number != signal.SIGKILL:
            if not os.path.exists(os.path.join(folder, "ready.finally")):
                sys.exit(f"{name}: finally did not run")
            for report in ("j.xml", "t.tap"):
                with open(os.path.join(folder, report), encoding="utf-8") as file:
                    if "long" not in file.read():
                        sys.exit(f"{name}: {report} does not name the scenario")
        print(name, "is well")

# finally that does not end: a second signal cuts it short, the reports are written all the same
with tempfile.TemporaryDirectory() as folder:
    spec = os.path.join(folder, "hangs.yaml")
    mark = f"3700.{os.getpid()}"
    with open(spec, "w", encoding="utf-8") as file:
        file.write(f"steps: [{{run: [sleep, '{mark}']}}]\nfinally: [{{run: {{shell: 'touch began; sleep {mark}'}}}}]\n")
    process = subprocess.Popen([PROGRAM, f"--json={folder}/j.json", f"--tap14={folder}/t.tap", spec],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: running(mark), "the step")
    process.send_signal(signal.SIGINT)
    until(lambda: os.path.exists(os.path.join(folder, "began")), "finally")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    if process.returncode != 130:
        sys.exit(f"twice SIGINT: exit status {process.returncode}\n{out}")
    until(lambda: not running(mark), "twice SIGINT: the end of all that was started")
    with open(os.path.join(folder, "j.json"), encoding="utf-8") as file:
        result = json.loads(file.read().strip().split("\n")[-1])
    if result["verdict"] != "skipped" or not result["interrupted"]:
        sys.exit(f"twice SIGINT: the result is {result}")
    with open(os.path.join(folder, "t.tap"), encoding="utf-8") as file:
        text = file.read()
    if "ok 1 - " not in text or "# SKIP interrupted\nBail out! interrupted\n" not in text:
        sys.exit(f"twice SIGINT: TAP is {text}")
    print("twice SIGINT is well")
