#!/bin/sh
# A call of gRPC with one empty message, by curl: grpc_raw.sh TARGET RPC [HEADER…]
# Prints the answer's headers and trailers, and its body in hex as the last line.
target=$1
rpc=$2
shift 2
for header; do
  set -- "$@" -H "$header"
  shift
done
body=$(mktemp)
printf '\0\0\0\0\0' | curl -sS -m 10 --http2-prior-knowledge -H te:trailers -H content-type:application/grpc "$@" \
  -D - -o "$body" --data-binary @- "http://$target/$rpc"
status=$?
od -An -tx1 -v "$body" | tr -d ' \n'
echo
rm -f "$body"
exit $status
