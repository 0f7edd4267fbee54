"""Loads a shop's own code by its dotted path, such as ``shop.hooks:settled``."""

import importlib
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_lock = threading.Lock()


def check_dotted_path(path: str) -> None:
    """Raise `ValueError` unless it has the form ``package.module:name``."""
    if not _PATH.fullmatch(path):
        raise ValueError("should be like package.module:name")


def load_callable(path: str, environ: Mapping[str, str] | None = None) -> Any:
    """The callable at ``package.module:name``. Raises `ValueError` with a sentence's end that says what is wrong.

    The working folder is left out of the import path, unless PYTHONPATH names it: programs put it there, and a file
    that somebody has left there must not run.
    """
    module, _, name = path.partition(":")
    try:
        with _without_working_folder(os.environ if environ is None else environ):
            found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        missing = "" if error.name is None else f" {error.name}"
        raise ValueError(
            f"names a module that cannot be imported: there is no{missing} on PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise ValueError(f"names nothing in {module}") from error
    except Exception as error:  # whatever the module does
        raise ValueError(f"cannot be imported: {module} raised {type(error).__name__}") from error
    if not callable(found):
        raise ValueError("names something that cannot be called")  # noqa: TRY004  # as for each other problem
    return found


@contextmanager
def _without_working_folder(environ: Mapping[str, str]) -> Iterator[None]:
    asked_for = {
        str(Path(folder).absolute()) for folder in environ.get("PYTHONPATH", "").split(os.pathsep) if folder
    }
    here = str(Path.cwd())
    if here in asked_for:
        yield
        return
    with _lock:
        removed = [
            (at, entry) for at, entry in enumerate(sys.path) if str(Path(entry or ".").absolute()) == here
        ]
        for _, entry in removed:
            sys.path.remove(entry)
        try:
            yield
        finally:
            for at, entry in removed:
                sys.path.insert(at, entry)
