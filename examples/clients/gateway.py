#!/usr/bin/env python3
"""A small gateway: passes GET requests on to one upstream, answers 502 when that fails."""
import argparse
import http.server
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--listen", type=int, required=True)
parser.add_argument("--to", required=True)
options = parser.parse_args()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Gateway(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            self.answer(204, b"")
            return
        try:
            with opener.open(options.to + self.path, timeout=5) as answer:
                self.answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.read())
        except OSError as error:
            print("upstream failed:", error, flush=True)
            self.answer(502, b"bad gateway")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", options.listen), Gateway).serve_forever()
