"""Files are read again when they change, and the last valid value stays in use meanwhile."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from breakwall.credentials import TokenFile, WatchedFiles, headers
from breakwall.credentials.watched_files import AGAIN, read_line
from breakwall.log_throttle import INTERVAL
from tests.manual_clock import MonotonicClock

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


def test_a_link_in_the_path_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes replaces a mounted secret: it swaps a link to the folder."""
    for name, text in (("1", "first"), ("2", "second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(text)
    (tmp_path / "data").symlink_to("1")
    token = TokenFile(tmp_path / "data" / "token")
    assert token() == "first"
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(tmp_path / "data")
    assert token() == "second"


def test_a_change_that_keeps_time_and_size_is_seen(token_file: Path) -> None:
    token = TokenFile(token_file)
    before = token_file.stat()
    token_file.write_text(f"{SECRET[::-1]}\n")
    os.utime(token_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert token() == SECRET[::-1]


class Numbers:
    """Reads a whole number, and counts how often."""

    def __init__(self, file: Path, clock: MonotonicClock) -> None:
        self.reads = 0
        self._file = file
        self.watched = WatchedFiles([file], self._read, "number", clock)

    def _read(self) -> int:
        self.reads += 1
        return int(self._file.read_text())


@pytest.fixture
def numbers(tmp_path: Path, clock: MonotonicClock) -> Numbers:
    (tmp_path / "number").write_text("1")
    return Numbers(tmp_path / "number", clock)


def test_files_that_cannot_be_used_are_read_again_each_second_although_they_do_not_change(
    numbers: Numbers, tmp_path: Path, clock: MonotonicClock
) -> None:
    (tmp_path / "number").write_text("one")
    assert [numbers.watched() for _ in range(3)] == [1] * 3
    assert numbers.reads == 2
    clock.advance(AGAIN)
    numbers.watched()
    assert numbers.reads == 3


def test_files_that_cannot_be_used_are_read_at_once_when_they_change(
    numbers: Numbers, tmp_path: Path
) -> None:
    (tmp_path / "number").write_text("one")
    assert numbers.watched() == 1
    (tmp_path / "number").write_text("22")
    assert numbers.watched() == 22


def test_it_warns_once_a_minute_and_tells_of_the_change(
    numbers: Numbers, tmp_path: Path, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "number").write_text("one")
    for _ in range(3):
        numbers.watched()
        clock.advance(INTERVAL / 2)
    (tmp_path / "number").write_text("2")
    numbers.watched()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "WARNING", "INFO"]
    assert caplog.messages[-1] == "the number was read again, because a file changed"


def test_files_that_cannot_be_used_at_the_beginning_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^BREAKWALL_PAYMENT_TOKEN_FILE cannot be read: No such file"):
        TokenFile(tmp_path / "none")


@pytest.mark.parametrize("data", [b"x" * 70_000, "é".encode(), b"\xff"])
def test_what_cannot_be_a_secret_is_no_text(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    assert read_line(tmp_path / "file") == ""
