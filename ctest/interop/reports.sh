#!/bin/sh
# The reports of a run with passed, failed and skipped checks, read by real readers: prove, xmllint, python.
program=${GOTO_RUN:-build/dev/goto-run}
data=${GOTO_TEST_DATA:-../shared/data}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
specs="ctest/specs/fail ctest/specs/01-request.goto.yaml ctest/interop/hostile.yaml"
"$program" --tap="$folder/t.tap" --tap14="$folder/t14.tap" --junit "$folder/j.xml" --json="$folder/j.json" \
  ctest/specs/fail/*.yaml ctest/specs/01-request.goto.yaml ctest/interop/hostile.yaml >"$folder/out" 2>&1
[ $? -eq 1 ] || { cat "$folder/out"; echo "exit status is not 1"; exit 1; }

# prove says how many failed; a parse error is another thing
prove --merge --exec cat "$folder/t.tap" >"$folder/prove" 2>&1
grep -q 'Parse errors' "$folder/prove" && { cat "$folder/prove"; exit 1; }
grep -Eq 'Failed +[0-9]+/[0-9]+ subtests' "$folder/prove" || { cat "$folder/prove"; exit 1; }
python3 - "$folder" <<'PY' || exit 1
import json, re, sys
folder = sys.argv[1]
# a second reader of TAP: points, plan, YAML blocks
lines = open(folder + "/t.tap", encoding="utf-8").read().split("\n")
assert lines[0] == "TAP version 13", lines[0]
import yaml
points = [l for l in lines if re.match(r"(not )?ok \d", l)]
plans = [l for l in lines if re.match(r"1\.\.\d+", l)]
assert len(plans) == 1 and int(plans[0][3:].split()[0]) == len(points), plans
assert [int(re.search(r"ok (\d+)", l).group(1)) for l in points] == list(range(1, len(points) + 1))
block = None
for l in lines[1:]:
    if block is not None:
        if l == "  ...":
            assert isinstance(yaml.safe_load("\n".join(block)), dict)
            block = None
        else:
            assert l.startswith("  "), l
            block.append(l[2:])
    elif l == "  ---":
        block = []
    else:
        assert l == "" or re.match(r"(not ok|ok) \d+ - |1\.\.\d+|# ", l), l
assert block is None
lines = open(folder + "/t14.tap", encoding="utf-8").read().split("\n")
assert lines[0] == "TAP version 14"
name = None
for l in lines[1:]:
    m = re.match(r"# Subtest: (.*)", l)
    if m:
        name = m.group(1)
    m = re.match(r"(?:not )?ok \d+ - (.*?)(?: # SKIP.*)?$", l)
    if m:
        assert m.group(1) == name, (m.group(1), name)
for l in open(folder + "/j.json", encoding="utf-8"):
    entry = json.loads(l)
    assert "kind" in entry and "scenario" in entry, l
import xml.etree.ElementTree as ET
root = ET.parse(folder + "/j.xml").getroot()
cases = root.findall(".//testcase")
assert len(cases) == len(points), (len(cases), len(points))
names = [(c.get("classname"), c.get("name")) for c in cases]
assert len(set(names)) == len(names), "test cases of one name"
PY
if [ -f "$data/junit-10.xsd" ]; then
  xmllint --noout --schema "$data/junit-10.xsd" "$folder/j.xml" || exit 1
fi
echo "reports are read by all readers"
