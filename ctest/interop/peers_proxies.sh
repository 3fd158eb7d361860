#!/bin/sh
# nginx, haproxy and tinyproxy behind our proxies, and in front of our servers.
program=${GOTO_RUN:-build/dev/goto-run}
PATH=$PATH:/usr/sbin
for tool in curl haproxy nginx openssl tinyproxy wget; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
exec "$program" ctest/interop/peers-proxies.yaml
