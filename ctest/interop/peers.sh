#!/bin/sh
# Real clients against the stand-in, and our clients against real servers: HTTP/1.1, HTTP/2, TLS,
# bytes.
program=${GOTO_RUN:-build/dev/goto-run}
for tool in curl nghttp nghttpd h2load openssl python3 socat wget; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
exec "$program" ctest/interop/peers-clients.yaml ctest/interop/peers-servers.yaml ctest/interop/peers-tcp.yaml
