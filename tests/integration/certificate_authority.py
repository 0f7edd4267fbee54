"""A certificate authority of our own, which makes certificates with the ``openssl`` command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_KEY = "ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


class Authority:
    """An authority in ``folder``; ``certificate`` is its own certificate."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        extensions = ["-addext", "keyUsage=keyCertSign", "-subj", f"/CN={name}"]
        files = ["-keyout", str(self._key), "-out", str(self.certificate)]
        _openssl(f"req -x509 -newkey {_KEY} -days 2", *extensions, *files)

    def issue(self, name: str, *, subject: str = "shop", days: int = 2) -> Path:
        """A certificate for ``name`` (``IP:127.0.0.1``) and its key, in one file; below zero days it has expired.

        The certificate alone is beside it as ``….crt``, the key alone as ``….key``.
        """
        stem = self._folder / f"{len(list(self._folder.iterdir()))}"
        key, request, alone, both = (stem.with_suffix(end) for end in (".key", ".csr", ".crt", ".pem"))
        named = ["-subj", f"/CN={subject}", "-keyout", str(key), "-out", str(request)]
        _openssl(f"req -newkey {_KEY}", *named)
        (names := stem.with_suffix(".ext")).write_text(f"subjectAltName={name}\n")
        signed = ["-CA", str(self.certificate), "-CAkey", str(self._key), "-extfile", str(names)]
        _openssl(f"x509 -req -days {days}", "-in", str(request), *signed, "-out", str(alone))
        both.write_text(alone.read_text() + key.read_text())
        return both


def _openssl(command: str, *more: str) -> None:
    try:
        subprocess.run(["openssl", *command.split(), *more], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the openssl command is not installed")
