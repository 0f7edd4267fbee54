"""A TLS front for a server that speaks none, with certificates made on the spot."""

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for ``name`` (``IP:127.0.0.1``) and its key, in one file."""
    both, key = folder / "both.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=broker"
    )
    options = ["-addext", f"subjectAltName={name}", "-keyout", str(key), "-out", str(both)]
    try:
        subprocess.run([*command.split(), *options], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the openssl command is not installed")
    both.write_text(both.read_text() + key.read_text())
    return both


class TlsFront:
    """Listens with TLS on ``port`` and passes everything on to ``target``; ``heard`` counts what it got.

    While it is ``silent``, it passes no answer on.
    """

    def __init__(self, certificate: Path, target: int) -> None:
        self.heard = 0
        self.silent = False
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(raw, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self._target)) as server,
        ):
            threading.Thread(target=self._pass_back, args=(server, client), daemon=True).start()
            while data := client.recv(65536):
                self.heard += len(data)
                server.sendall(data)

    def _pass_back(self, server: socket.socket, client: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if not self.silent:
                    client.sendall(data)
