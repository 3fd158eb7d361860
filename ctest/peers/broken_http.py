#!/usr/bin/env python3
"""python3's http.client against answers that are none: the name of each error, or the body."""
import http.client
import sys


def ask(connection):
    try:
        connection.request("GET", "/hello")
        print(connection.getresponse().read().decode())
    except http.client.IncompleteRead as error:
        print(type(error).__name__, len(error.partial))
    except http.client.HTTPException as error:
        print(type(error).__name__)
    except OSError as error:
        print(type(error).__name__)


address = sys.argv[1], int(sys.argv[2])
for _ in range(8):
    ask(http.client.HTTPConnection(*address, timeout=10))
kept = http.client.HTTPConnection(*address, timeout=10)
ask(kept)
ask(kept)
