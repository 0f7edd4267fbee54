"""A command line that cannot be loaded ends with a sentence and an exit code, not with a traceback."""

import sys
from importlib.abc import MetaPathFinder
from types import SimpleNamespace

import pytest

from breakwall.entry import main


class Refusing(MetaPathFinder):
    """Makes an import fail."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "breakwall.cli.app":
            raise self.error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(24, "Too many open files"),
            "Error: breakwall cannot be loaded: [Errno 24] Too many open files",
        ),
        (MemoryError(), "Error: breakwall cannot be loaded: this process has no memory left"),
        (KeyboardInterrupt(), "Aborted!"),
    ],
)
def test_a_failure_to_load_is_a_sentence(
    error: BaseException, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "breakwall.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refusing(error), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == sentence


def test_the_command_line_runs_once_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[bool] = []
    monkeypatch.setitem(sys.modules, "breakwall.cli.app", SimpleNamespace(main=lambda: ran.append(True)))
    main()
    assert ran
