#!/bin/sh
# Each wrong spec (*.yaml) must give exactly the diagnostics beside it (*.expect), and exit status 2.
# With --accept the diagnostics are written instead: read what changed before keeping it.
program=${GOTO_RUN:-build/dev/goto-run}
accept=$1
"$program" --version >/dev/null || { echo "$program cannot be run"; exit 1; }
status=0
count=0
unset GOTO_RUN_NO_SUCH_VARIABLE
for spec in ctest/wrong/*.yaml; do
  expect=${spec%.yaml}.expect
  actual=$(mktemp)
  "$program" check "$spec" >/dev/null 2>"$actual"
  code=$?
  count=$((count + 1))
  if [ "$accept" = --accept ]; then
    cp "$actual" "$expect"
  elif ! diff -u "$expect" "$actual"; then
    echo "$spec: other diagnostics than in $expect"
    status=1
  fi
  if [ $code -ne 2 ]; then
    echo "$spec: exit status $code, not 2"
    status=1
  fi
  rm -f "$actual"
done
[ $count -gt 0 ] || { echo "no wrong specs found"; exit 1; }
echo "$count wrong specs"
exit $status
