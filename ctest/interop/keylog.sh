#!/bin/sh
# SSLKEYLOGFILE: servers and the built-in client write the secrets of their connections there, each its own side: so
# every line comes twice, for they are the same.
program=${GOTO_RUN:-build/dev/goto-run}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cat >"$folder/spec.yaml" <<'YAML'
upstreams:
  new: {protocol: https, tls: tls1.3-only}
  old: {protocol: https, tls: tls1.2-only}
  two: {protocol: h2}
steps:
  - http: GET ${new}/
  - http: GET ${old}/
  - http: GET ${two}/
YAML
SSLKEYLOGFILE=$folder/keys "$program" -q "$folder/spec.yaml" >/dev/null || exit 1
once=$(sort "$folder/keys" | uniq -c | awk '$1 != 2')
[ -z "$once" ] || { echo "not of both sides:"; echo "$once"; exit 1; }
for label in "CLIENT_RANDOM:2" "SERVER_TRAFFIC_SECRET_0:4" "CLIENT_HANDSHAKE_TRAFFIC_SECRET:4"; do
  count=$(grep -c "^${label%:*} " "$folder/keys")
  [ "$count" = "${label#*:}" ] || { echo "${label%:*}: $count lines"; exit 1; }
done
# nobody can read them but their owner, and a file that cannot be written is no failure
[ "$(stat -c %a "$folder/keys")" = 600 ] || { echo "others may read the secrets"; exit 1; }
SSLKEYLOGFILE=$folder/none/keys "$program" -q "$folder/spec.yaml" >/dev/null || exit 1
