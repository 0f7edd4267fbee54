"""A shop's code is found on the import path, without the working folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from breakwall.host.dotted_paths import check_dotted_path, load_callable


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that lies in the working folder, which programs have put on the path."""
    name = f"hooks_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("def settled(event): return event\nvalue = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    return name


def test_a_module_in_the_working_folder_is_not_found(in_folder: str) -> None:
    before = list(sys.path)
    with pytest.raises(ValueError, match="cannot be imported"):
        load_callable(f"{in_folder}:settled", {})
    assert sys.path == before


def test_unless_pythonpath_names_the_folder(in_folder: str, tmp_path: Path) -> None:
    assert load_callable(f"{in_folder}:settled", {"PYTHONPATH": str(tmp_path)})(7) == 7


@pytest.mark.parametrize(("name", "problem"), [("missing", "names nothing"), ("value", "cannot be called")])
def test_what_is_not_there_or_cannot_be_called_is_refused(
    in_folder: str, tmp_path: Path, name: str, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        load_callable(f"{in_folder}:{name}", {"PYTHONPATH": str(tmp_path)})


def test_an_error_of_the_module_is_named_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_at_import.py").write_text("raise RuntimeError('secret words')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="raised RuntimeError") as error:
        load_callable("breaks_at_import:settled", {})
    assert "secret words" not in str(error.value)


@pytest.mark.parametrize(
    "path", ["", "hooks", "hooks:", ":settled", "hooks.settled", "a b:c", "hooks:settled()"]
)
def test_another_form_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:name"):
        check_dotted_path(path)


@pytest.mark.parametrize("path", ["hooks:settled", "shop.hooks:settled", "shop.hooks:Hooks.settled"])
def test_this_form_is_right(path: str) -> None:
    check_dotted_path(path)
