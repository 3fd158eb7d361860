#!/bin/sh
# Polls a URL every 50 ms; says when it is lost and ends once it is there again.
url=$1
lost=
while :; do
  if curl --silent --fail --max-time 2 --output /dev/null "$url"; then
    if [ -n "$lost" ]; then
      echo recovered
      exit 0
    fi
    echo up
  elif [ -z "$lost" ]; then
    lost=1
    echo lost
  fi
  sleep 0.05
done
