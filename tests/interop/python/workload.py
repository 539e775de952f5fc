"""The application of a service: it follows the Workload API, and calls other services past its own sidecar.

Each svid that comes is a line on stdout, `svid SERIAL`. On $PORT it does what it is told:

    GET /call?address=HOST:PORT&expect=ID&path=/PATH   prints the status of the answer; over HTTP/1.1, without ALPN
"""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from OpenSSL import SSL
from spiffe import SpiffeId, X509Source
from spiffetls import dial
from spiffetls.tlsconfig.authorize import authorize_id


class Told:
    """Prints each svid once."""

    def __init__(self, source):
        self.source, self.last, self.lock = source, None, threading.Lock()

    def tell(self):
        """Is called after every message of the Workload API."""
        serial = format(self.source.get_x509_context().default_svid.leaf.serial_number, "x")
        with self.lock:
            if serial != self.last:
                print("svid", serial, flush=True)
            self.last = serial


def call(source, address, expect, path):
    """One call on a connection of its own, with the newest svid; the line with the status."""
    connection = dial(address, source, authorize_fn=authorize_id(SpiffeId(expect)))
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n".encode())
    read = b""
    try:
        while b"\r\n" not in read:
            read += connection.recv(4096)
    except SSL.ZeroReturnError:
        pass
    finally:
        connection.close()
    version, status, *_ = read.split(b"\r\n")[0].decode().split(" ")
    return f"{status} {version}"


def commands(source):
    """What is served on $PORT."""

    class Commands(BaseHTTPRequestHandler):
        """One command."""

        def do_GET(self):  # noqa: N802: http.server wants this name
            """Answers with what came of it."""
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            try:
                status, text = 200, call(source, query["address"], query["expect"], query["path"])
            except Exception as error:  # noqa: BLE001: whatever it is, the test wants to read it
                status, text = 502, f"{type(error).__name__}: {error}"
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            """The mesh has a log of its own."""

    return Commands


def run():
    """Runs until it is ended. Where the Workload API is says SPIFFE_ENDPOINT_SOCKET, where spiffe looks."""
    source = X509Source(timeout_in_seconds=20)
    told = Told(source)
    source.subscribe_for_updates(told.tell)
    told.tell()
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), commands(source)).serve_forever()
