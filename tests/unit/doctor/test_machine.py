"""What the doctor finds on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.doctor import machine
from breakwall.settings import load_settings


def test_a_library_that_is_not_installed_is_a_problem_with_what_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = machine.version

    def without_psycopg(name: str) -> str:
        if name == "psycopg":
            raise machine.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(machine, "version", without_psycopg)
    assert machine.libraries(load_settings({}))[0].ok
    (finding,) = machine.libraries(load_settings({"BREAKWALL_DATABASE_URL": "postgresql://h/x"}))
    assert (finding.ok, finding.detail) == (False, "missing: psycopg")
    assert "breakwall[postgres]" in finding.advice


def test_a_data_folder_that_cannot_be_written_to_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    (finding,) = machine.data_folder(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path / "new")}))
    assert not finding.ok
    assert "BREAKWALL_DATA_DIR" in finding.advice


def test_a_data_folder_that_nothing_uses_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    urls = {"BREAKWALL_DATABASE_URL": "postgresql://h/x", "BREAKWALL_BROKER_URL": "redis://h/0"}
    assert machine.data_folder(load_settings(urls))[0].ok
