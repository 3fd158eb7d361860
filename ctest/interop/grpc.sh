#!/bin/sh
# The interop cases of gRPC, and what is not among them, with grpcio: as client of our stand-in and as server of our verb.
# CLIENT, SERVER and ENCODING (of its answers) name another peer: see grpc_js.sh.
program=${GOTO_RUN:-build/dev/goto-run}
client=${CLIENT:-/usr/bin/python3 ../peers/grpc_interop_client.py}
server=${SERVER:-/usr/bin/python3 ../peers/grpc_interop_server.py}
if [ -z "$CLIENT" ]; then
  if ! /usr/bin/python3 -c 'import grpc, google.protobuf'; then
    echo "python3-grpcio is not installed"
    [ "$CI" = true ] && exit 1
    exit 77
  fi
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for size in 271828 314159 27182 1828 45904 31415 2653 58979 5000000; do
  echo "zeros-$size: $(head -c $size /dev/zero | base64 -w0)"
done >"$folder/zeros.yaml"
"$program" --vars "$folder/zeros.yaml" --set "client=$client" --set "serve=$server" --set "encoding=${ENCODING:-gzip}" "$@" \
  ctest/interop/grpc-server.yaml ctest/interop/grpc-negative.yaml ctest/interop/grpc-client.yaml
