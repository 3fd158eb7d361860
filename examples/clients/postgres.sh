#!/bin/sh
# A PostgreSQL of its own on port $1, with a user 'app' that needs no password; gone when it is told to end.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
trap 'exit 1' TERM INT
# it does not run as root
as=
if [ "$(id -u)" = 0 ]; then
  chown postgres "$data"
  as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
cd "$data"
$as "$bin/initdb" -D "$data/db" -A trust -U app --no-sync >"$data/log"
$as "$bin/postgres" -D "$data/db" -p "$1" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off &
server=$!
trap 'kill -INT $server' TERM INT
wait $server || true
wait $server || true
