"""Certificates are loaded, watched, and their validity is read."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from breakwall.credentials import certificate_validity, system_tls, watch_tls
from tests.integration.certificate_authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("days", [-1, 2, 400, 36_500])
def test_a_certificates_times_are_those_that_openssl_reads(authority: Authority, days: int) -> None:
    file = authority.issue("DNS:shop", days=days)
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(file), "-noout", "-dates", "-dateopt", "iso_8601"],
        check=True,
        capture_output=True,
        text=True,
    )
    begin, end = (line.partition("=")[2] for line in shown.stdout.split("\n")[:2])
    found = certificate_validity(file)
    assert found is not None
    assert [f"{moment:%Y-%m-%d %H:%M:%S}Z" for moment in (found.begin, found.end)] == [begin, end]
    assert abs(found.end - datetime.now(UTC) - timedelta(days=days)) < timedelta(hours=1)


def test_the_first_certificate_of_a_chain_counts(authority: Authority, tmp_path: Path) -> None:
    first, second = authority.issue("DNS:a", days=5), authority.issue("DNS:b", days=9)
    chain = tmp_path / "chain"
    # Keys often come first.
    chain.write_text(first.with_suffix(".key").read_text() + first.with_suffix(".crt").read_text())
    with chain.open("a") as file:
        file.write(second.with_suffix(".crt").read_text())
    assert certificate_validity(chain) == certificate_validity(first)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "é"])
def test_a_file_whose_times_cannot_be_read_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert certificate_validity(tmp_path / "file") is None
    assert certificate_validity(tmp_path / "none") is None


def test_without_files_nothing_is_watched() -> None:
    assert watch_tls(None, None, None) is None


def test_the_certificates_are_loaded_again_when_one_of_the_three_files_changes(
    authority: Authority, tmp_path: Path
) -> None:
    both = authority.issue("DNS:shop")
    paths = {"ca": authority.certificate, "crt": both.with_suffix(".crt"), "key": both.with_suffix(".key")}
    for name, source in paths.items():
        shutil.copy(source, tmp_path / name)
    watched = watch_tls(*(tmp_path / name for name in paths))
    assert watched is not None
    seen = [watched()]
    assert watched() is seen[0]
    for name, source in paths.items():
        shutil.copy(source, tmp_path / "new")
        (tmp_path / "new").replace(tmp_path / name)
        seen.append(watched())
    assert len(set(seen)) == 4


@pytest.mark.parametrize("name", ["ca", "crt"])
def test_a_file_that_was_removed_is_named(authority: Authority, tmp_path: Path, name: str) -> None:
    both = authority.issue("DNS:shop")
    paths = {"ca": authority.certificate, "crt": both} | {name: tmp_path / "none"}
    variable = {"ca": "CA", "crt": "CERT"}[name]
    with pytest.raises(ValueError, match=f"^BREAKWALL_PAYMENT_{variable}_FILE cannot be read: No such file"):
        watch_tls(paths["ca"], paths["crt"], None)


@pytest.mark.parametrize("has_file", [False, True])
def test_no_session_key_is_written(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_file: bool
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    if has_file:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.issue("DNS:shop")))
    context = system_tls()
    assert context.keylog_filename is None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not keys.exists()


def test_ssl_cert_file_replaces_the_systems_authorities(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.issue("DNS:shop")))
    assert system_tls().cert_store_stats()["x509"] == 1
