"""Files are read again when they change, and the last valid value stays in use meanwhile."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from breakwall.credentials import TokenFile, headers

SECRET = "s3cr3t-s3cr3t"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return file


def replace(file: Path, token: str) -> None:
    """As a secrets manager does: a new file replaces the old one."""
    new = file.with_name("new")
    new.write_text(f"{token}\n")
    os.utime(new, ns=(file.stat().st_mtime_ns,) * 2)
    new.replace(file)


def test_a_token_is_read_again_when_its_file_is_replaced(token_file: Path) -> None:
    token = TokenFile(token_file)
    assert token() == SECRET
    replace(token_file, SECRET[::-1])
    assert token() == SECRET[::-1]


def test_a_token_is_read_again_when_its_file_is_written(token_file: Path) -> None:
    token = TokenFile(token_file)
    before = token_file.stat()
    token_file.write_text(f"{SECRET[::-1]}\n")
    os.utime(token_file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert token() == SECRET[::-1]


def test_a_token_that_has_not_changed_is_not_read_again(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = TokenFile(token_file)
    monkeypatch.setattr(headers, "read_token", lambda path: pytest.fail("it was read"))
    assert [token() for _ in range(3)] == [SECRET] * 3


@pytest.mark.parametrize("text", [None, "", "half a tok"])
def test_while_a_token_is_being_replaced_the_last_one_stays_in_use(
    token_file: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    token = TokenFile(token_file)
    token_file.unlink()
    if text is not None:
        token_file.write_text(text)
    assert [token() for _ in range(3)] == [SECRET] * 3
    token_file.write_text("the-next-one")
    assert token() == "the-next-one"
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "BREAKWALL_PAYMENT_TOKEN_FILE" in warning.getMessage()
    assert SECRET not in caplog.text
