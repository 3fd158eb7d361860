#!/bin/sh
# The same as grpc.sh with grpc-js, the gRPC of Node.js. `./dev test` puts its modules into build/grpc-js.
modules=$PWD/build/grpc-js/node_modules
if [ ! -d "$modules/@grpc/grpc-js" ] || ! command -v node >/dev/null; then
  echo "grpc-js is not installed: './dev test' does it where npm reaches its registry"
  # a peer that is missing is no reason to pass where changes are judged
  [ "$CI" = true ] && exit 1
  exit 77
fi
export NODE_PATH="$modules"
export CLIENT="node grpc-js/client.js" SERVER="node grpc-js/server.js" ENCODING=identity
exec "$(dirname "$0")/grpc.sh" "$@"
