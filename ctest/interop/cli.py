#!/usr/bin/env python3
"""The command line: every exit status, where reports go, what each flag does."""
import json
import os
import socket
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(os.environ.get("GOTO_RUN", "build/dev/goto-run"))
GOOD = """name: first
tags: [a, slow]
upstreams: {api: {protocol: http}}
steps:
  - http: GET ${api}/x
    expect: {status: 200}
---
name: second
tags: [b]
upstreams: {api: {protocol: http}}
steps:
  - http: GET ${api}/y
    expect: {status: 200}
"""
RED = """name: red
upstreams: {api: {protocol: http}}
steps:
  - http: GET ${api}/x
    expect: {status: 404}
  - http: GET ${api}/z
"""
WRONG = "name: wrong\nupstream: {}\nsteps: [{sleep: 1ms}]\n"
TYPED = """vars: {n: 1}
upstreams: {api: {protocol: http}}
steps:
  - http: {url: "${api}/", method: POST, json: {n: "${n}"}}
    expect: {jsonpath: {$.json.n: {type: "${kind}"}}}
"""
KEPT = """name: kept
steps:
  - run: {shell: "echo kept > ${tmp}/file"}
"""
failures = []


def run(status, *arguments, out=None, err=None, **more):
    """Runs the program; says what is not as it should be. `out` and `err` are texts that must be there."""
    result = subprocess.run([PROGRAM, *arguments], stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, text=True, timeout=60, check=False, **more)
    if result.returncode != status:
        failures.append(f"{arguments}: exit status {result.returncode}, not {status}\n{result.stdout}{result.stderr}")
    for name, wanted, text in (("output", out, result.stdout), ("error", err, result.stderr)):
        for part in [wanted] if isinstance(wanted, str) else wanted or []:
            if part not in (text or ""):
                failures.append(f"{arguments}: no {part!r} in its {name}:\n{text}")
    return result


def expect(holds, what):
    if not holds:
        failures.append(what)


folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)
os.mkdir("specs")
os.mkdir("specs/.hidden")
for path, text in (("specs/good.goto.yaml", GOOD), ("specs/red.goto.yaml", RED), ("specs/wrong.yaml", WRONG),
                   ("specs/.hidden/wrong.goto.yaml", WRONG), ("typed.yaml", TYPED), ("kept.yaml", KEPT)):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
good, red = "specs/good.goto.yaml", "specs/red.goto.yaml"

# statuses 0 to 4, and the highest of several
run(0, good, out="2 scenarios, 2 checks: 2 passed")
run(1, "specs", out=["3 scenarios", "1 failed, 1 skipped", "rerun:", "replay:  curl"])
run(2, "specs/wrong.yaml", good, err=["unknown key 'upstream'", "did you mean 'upstreams'?"])
run(2, "nowhere.yaml", err="nowhere.yaml: No such file or directory")
run(2, err="no spec was named")
run(2, good + ":99", err="no line 99")
run(4, "-k", "nothing is called so", "specs", err="no scenario was selected")
run(4, "list", "-t", "none", "specs")
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    with open("port.yaml", "w", encoding="utf-8") as file:
        file.write(f"upstreams: {{api: {{protocol: http, port: {taken.getsockname()[1]}}}}}\nsteps: [{{http: 'GET ${{api}}/'}}]\n")
    run(3, "port.yaml", red, out=["the port is taken already", "1 failed, 1 error"])

# the command line itself
for arguments, words in ((["--tga"], "did you mean --tag?"), (["-x"], "unknown option -x"), (["--html", "x"], "planned"),
                         (["serve", good], "planned"), (["-j", "0", good], "'0'"), (["-k", "", good], "''"),
                         (["--tap=", good], "''"), (["--seed", "x", good], "'x'"), (["--timeout", "5", good], "'5'"),
                         (["--set", "n", good], "'n'"), (["--set", "N=1", good], "no name"), (["--set", "tmp=1", good], "built-in"),
                         (["--set", "api=1", good], "'api'"), (["--vars", "nofile", good], "nofile"), (["--vars", ".", good], "."),
                         (["--vars", "/dev/null", good], "one mapping"), (["--tap", "--json", good], "only one report"),
                         (["--tap=x", "--junit", "x", good], "only one report"), (["schema", "x"], "too much"),
                         (["init", "a", "b"], "too much")):
    run(2, *arguments, err=words)
run(0, "--help", out=["usage:", "exit: 0"])
run(0, "--version", out="goto-run ")
run(0, "check", "specs", out="no errors")
run(0, "list", "specs", out=["specs/good.goto.yaml:8: second  [b]", "  GET ${api}/y"])
run(0, "init", "made", out="made/hello.goto.yaml")
run(0, "made")
run(3, "init", "made", err="is there already")

# what is selected
run(0, "-v", good + ":8", out=["1 scenario,", "second"])
run(0, "-v", "-k", "SECOND", "specs", out=["1 scenario,", "second"])
run(0, "-v", "-t", "a", "specs", out=["1 scenario,", "first"])
run(0, "-v", "-t", "!a", "-t", "b", "specs", out=["1 scenario,", "second"])
run(0, "--repeat", "3", good, out="6 scenarios, 6 checks: 6 passed")
run(1, "--fail-fast", "-j", "1", red, good, out="3 scenarios, 4 checks: 0 passed, 1 failed, 3 skipped")

run(0, "-v", good + ":8", "./" + good + ":9", "specs/../" + good + ":10", out=["1 scenario,", "second"])
run(0, good, "./" + good, good + ":1", out="2 scenarios, 2 checks")
run(0, "check", good, "./" + good, out="1 file, 2 scenarios")
with open("absent.yaml", "w", encoding="utf-8") as file:
    file.write("skip: {unless: {env: NO_SUCH_THING}}\nvars: {t: {env: NO_SUCH_THING}}\nsteps:\n"
               "  - {run: ['${env.NO_SUCH_THING}', '${t}'], expect: {exit: '${t}'}}\n")
run(0, "absent.yaml", out="1 skipped")

# variables: --set is a YAML scalar and wins over --vars, which wins over vars
with open("vars.yaml", "w", encoding="utf-8") as file:
    file.write("n: text\n")
for value, kind in (("5", "integer"), ("1.5", "number"), ('"5"', "string"), ("no", "string"), ("true", "boolean"),
                    ("null", "null"), ("", "null"), ("[1, 2]", "array")):
    run(0, "--set", f"n={value}", "--set", f"kind={kind}", "typed.yaml")
run(0, "--vars", "vars.yaml", "--set", "kind=string", "typed.yaml")
run(0, "--vars", "vars.yaml", "--set", "n=1", "--set", "kind=integer", "typed.yaml")
run(1, "--set", "n=a b", "--set", "kind=integer", "--secret", "pass=word word", "typed.yaml",
    out="--set 'n=a b' --set kind=integer --secret 'pass=***'")
run(2, "--set", "n={", "typed.yaml", err="--set:1:")

# where things go
run(0, "--tap", good, out="TAP version 13\n1..2\n", err="2 passed")
run(0, "--junit", "/dev/stdout", good, out="<?xml", err="2 passed")
with open("redirected.xml", "w", encoding="utf-8") as file:
    run(0, "--junit", "/dev/stdout", good, stdout=file)
with open("redirected.xml", encoding="utf-8") as file:
    text = file.read()
    expect(text.startswith("<?xml") and text.endswith("</testsuites>\n"), f"--junit /dev/stdout > file wrote\n{text}")
for report in ("--tap=/dev/full", "--tap14=/dev/full", "--junit=/dev/full", "--json=/dev/full", "--junit=nowhere/x", "--tap=specs"):
    run(3, report, good, out="2 passed", err="could not be written")
with open("/dev/full", "w", encoding="utf-8") as full:
    for arguments in ([good], ["check", good], ["list", good], ["schema"], ["reference"], ["--help"]):
        run(3, *arguments, stdout=full, err="could not be written")
run(0, "-q", "--json=j.json", "--tap=t.tap", "--tap14=t14.tap", "--junit=j.xml", good)
expect(sorted(name for name in os.listdir(".") if name.startswith((".goto", "j.", "t"))) ==
       ["j.json", "j.xml", "t.tap", "t14.tap", "typed.yaml"], f"reports left behind: {os.listdir('.')}")
with open("j.json", encoding="utf-8") as file:
    results = [line for line in map(json.loads, file) if line["kind"] == "result"]
    expect([result["verdict"] for result in results] == ["passed", "passed"], f"verdicts of {results}")

# the look of it, and what stays
expect("\x1b[" in run(1, "--color", "always", red).stdout, "--color always shows none")
expect("\x1b" not in run(1, red).stdout, "colors without a terminal")
expect("timeline:" not in run(1, "-q", red, out="FAIL").stdout, "-q shows a timeline")
run(1, "--no-run", "kept.yaml", out="--no-run refuses to start programs")
kept = run(0, "--keep-tmp", "kept.yaml", out="kept: ").stdout.split("kept: ")[-1].split("\n")[0]
expect(os.path.exists(os.path.join(kept, "file")), f"--keep-tmp did not keep {kept}")
subprocess.run(["rm", "-rf", kept], check=True)

folder.cleanup()
for failure in failures:
    print(failure)
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
