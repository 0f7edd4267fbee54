"""Certificates that are replaced while a program runs, and a service that notes which one came."""

from __future__ import annotations

import shutil
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.gateway_stub import StubConnection, response
from tests.integration.tls_services import ABSENT, Certificates


@dataclass
class RecordingService:
    """A service that demands a certificate of ours, keeps connections, and notes the certificates' subjects."""

    url: str = ""
    subjects: list[str] = field(default_factory=list)
    keeps: bool = True
    requests: list[bytes] = field(default_factory=list)

    def serve(self, connection: StubConnection) -> None:
        while request := connection.request():
            if request.startswith(b"GET "):
                connection.send(ABSENT)
                continue
            assert isinstance(connection.sock, ssl.SSLSocket)
            subject = connection.sock.getpeercert()["subject"]  # type: ignore[index] # it is demanded
            self.subjects.append(dict(pair for part in subject for pair in part)["commonName"])  # type: ignore[misc]
            paid = f'{{"status": "succeeded", "charge_id": "ch_{len(self.subjects)}"}}'.encode()
            connection.send(response(200, paid, *([] if self.keeps else ["Connection: close"])))
            if not self.keeps:
                return


@dataclass
class MountedSecrets:
    """A folder of secrets as Kubernetes mounts it: all files change at once, because a link is swapped."""

    folder: Path
    number: int = 0

    def put(self, **files: Path) -> None:
        self.number += 1
        self.folder.mkdir(exist_ok=True)
        new = self.folder / f"..{self.number}"
        new.mkdir()
        for name, source in files.items():
            shutil.copy(source, new / name)
            if not (link := self.folder / name).is_symlink():
                link.symlink_to(Path("..data") / name)
        (swapped := self.folder / "..new").symlink_to(new.name)
        swapped.replace(self.folder / "..data")


def pair_for(certificates: Certificates, subject: str) -> dict[str, Path]:
    """A certificate and its key, by the names that Kubernetes gives them."""
    both = certificates.clients.issue("DNS:shop", subject=subject)
    return {"crt": both.with_suffix(".crt"), "key": both.with_suffix(".key")}
