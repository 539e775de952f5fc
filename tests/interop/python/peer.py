"""The PyPI packages spiffe and spiffe-tls on the other side of a Kith.

    peer.py client   calls an address once, with the svid of files
    peer.py server   answers calls, with the svid of files
    peer.py workload is the application of a service of a mesh, with the svid of its Workload API

A client sends one line and prints the answer; a server answers each line with the same line backwards, as
`openssl s_server -rev` does. What went wrong is the last line on stderr and exit code 1.

spiffe-tls has two ways, and --way says which: `dial` (and `listen`) are its own, over pyOpenSSL, and hold the other
end against an identity. `context` is its SSLContext for libraries that want one of Python's ssl: it verifies the
chain alone, so the identity is held against the certificate here, by the very function that `dial` uses.
"""

import argparse
import socket
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto
from spiffe import SpiffeId, TrustDomain
from spiffe.bundle.x509_bundle.x509_bundle import X509Bundle
from spiffe.svid.x509_svid import X509Svid
from spiffetls import ListenOptions, SpiffeSSLContext, dial, listen
from spiffetls.mode import ServerTlsMode
from spiffetls.tlsconfig.authorize import authorize_id

import workload

SECONDS = 10


class Files:
    """What spiffe-tls takes for an X509Source: svid and bundle of files, which never change."""

    def __init__(self, arguments):
        self.svid = X509Svid.load(arguments.svid, arguments.key, Encoding.PEM)
        domain = TrustDomain(arguments.trust_domain)
        self.bundles = frozenset([X509Bundle.load(domain, arguments.bundle, Encoding.PEM)])

    def subscribe_for_updates(self, callback):
        """Nothing is ever announced."""


def context(arguments, method):
    """The SSLContext of spiffe-tls."""
    made = SpiffeSSLContext(Files(arguments), protocol=method)
    if arguments.tls12:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def authorized(wrapped, expect):
    """The same connection once its other end is who is expected."""
    certificate = crypto.X509.from_cryptography(x509.load_der_x509_certificate(wrapped.getpeercert(True)))
    if not authorize_id(expect)(certificate):
        wrapped.close()
        raise ssl.SSLError("the other end has another identity")
    return wrapped


def connect(arguments):
    """A connection to the address."""
    expect = SpiffeId(arguments.expect)
    if arguments.way == "dial":
        return dial(arguments.address, Files(arguments), authorize_fn=authorize_id(expect))
    host, port = arguments.address.split(":")
    plain = socket.create_connection((host, int(port)), timeout=SECONDS)
    return authorized(context(arguments, SSL.TLS_CLIENT_METHOD).wrap_socket(plain), expect)


def client(arguments):
    """Sends one line and prints what comes back."""
    connection = connect(arguments)
    connection.sendall(b"ping\n")
    print(line_of(connection), flush=True)


def line_of(connection):
    """Reads one line, without its end."""
    read = b""
    while not read.endswith(b"\n"):
        more = connection.recv(1024)
        if not more:
            raise ConnectionError("the other end is gone")
        read += more
    return read.decode().rstrip("\n")


def server(arguments):
    """Answers until it is ended. Who is refused is a line on stdout."""
    accept = listener(arguments)
    while True:
        connection = accept()
        try:
            connection.sendall(line_of(connection)[::-1].encode() + b"\n")
            connection.shutdown()
        except (SSL.Error, OSError) as error:
            print(f"refused: {error!r}", flush=True)
        finally:
            connection.close()


def listener(arguments):
    """Listens, says where, and returns what waits for the next connection."""
    expect = SpiffeId(arguments.expect)
    if arguments.way == "dial":
        options = ListenOptions(tls_mode=ServerTlsMode.MTLS, authorize_fn=authorize_id(expect))
        listening = listen(arguments.address, Files(arguments), options)
        print("listening on %s:%d" % listening.getsockname(), flush=True)
        return lambda: listening.accept()[0]
    plain = socket.create_server(("127.0.0.1", 0))
    print("listening on %s:%d" % plain.getsockname(), flush=True)
    wrapping = context(arguments, SSL.TLS_SERVER_METHOD)
    return lambda: Accepted(wrapping.wrap_socket(plain.accept()[0], server_side=True), expect)


class Accepted:
    """A connection that a context accepted: its handshake happens with the first read, and only then is there
    somebody to hold against the expected identity."""

    def __init__(self, wrapped, expect):
        self.wrapped, self.expect = wrapped, expect

    def recv(self, size):
        """Reads, and gives out nothing of whom is not expected."""
        read = self.wrapped.recv(size)
        authorized(self.wrapped, self.expect)
        return read

    def sendall(self, data):
        """Writes."""
        self.wrapped.sendall(data)

    def shutdown(self):
        """Says that nothing follows."""
        self.wrapped.shutdown(socket.SHUT_WR)

    def close(self):
        """Ends it."""
        self.wrapped.close()


def main():
    """Reads the arguments, and does one of the three."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["client", "server", "workload"])
    parser.add_argument("--way", choices=["dial", "context"], default="dial")
    parser.add_argument("--address", default="127.0.0.1:0")
    parser.add_argument("--tls12", action="store_true")
    for name in ("svid", "key", "bundle", "trust-domain", "expect"):
        parser.add_argument(f"--{name}")
    arguments = parser.parse_args()
    if arguments.verb == "workload":
        return workload.run()
    if arguments.tls12 and arguments.way == "dial":
        parser.error("dial and listen have no setting for the version")
    return {"client": client, "server": server}[arguments.verb](arguments)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001: whatever it is, the test wants to read it in one line
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
