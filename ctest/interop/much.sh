#!/bin/sh
# Much through proxies of bytes, with faults, between processes.
program=${GOTO_RUN:-build/dev/goto-run}
exec "$program" ctest/interop/much.yaml
