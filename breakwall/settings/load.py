"""Reads the settings from the environment, and says what is wrong with a variable without its value."""

import difflib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel, ValidationError

from breakwall.settings.errors import SettingsError
from breakwall.settings.model import Settings
from breakwall.settings.sections import PREFIX

NESTED = "__"


def load_settings(environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
    """Read the settings from ``environ`` (default: the process's own, over ``.env`` in the working folder).

    Raises:
        SettingsError: naming every variable that is unknown or unusable, and what would be right.
    """
    if environ is None:
        environ = {**read_dotenv(dotenv or Path(".env"), PREFIX), **os.environ}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    unknown = [name for name in given if name not in setting_names()]
    problems = [_unknown(name) for name in sorted(unknown)]
    try:
        settings = Settings(**_nest({k: v for k, v in given.items() if k not in unknown}))
    except ValidationError as error:
        problems += [_problem(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
    if not problems and (problem := _home_problem(settings)):
        problems.append(f"{PREFIX}DATA_DIR: {problem}")
    if problems:
        raise SettingsError(problems)
    return settings


def read_dotenv(path: Path, prefix: str) -> dict[str, str]:
    """The variables in the file; none where there is no file.

    Raises:
        SettingsError: it is not text, or a line with a variable that begins with ``prefix`` cannot be read. It names
            the file, or the line, and what would be right.
    """
    bindings = list(parse_stream(StringIO(_text(path))))
    for one in bindings:
        if one.error and prefix in one.original.string:
            line = f"{path}: line {one.original.line}"
            problem = (
                "cannot be read: NAME=value would be right, and a value that begins with a quote ends with it"
            )
            raise SettingsError([f"{line} {problem}"])
    # Other programs' lines that cannot be read are not ours to report; python-dotenv would warn of them each time.
    readable = "".join(one.original.string for one in bindings if not one.error)
    found = dotenv_values(stream=StringIO(readable))
    return {name: value for name, value in found.items() if value is not None}


def _text(path: Path) -> str:
    try:
        kind = path.stat().st_mode
        return path.read_text(encoding="utf-8") if stat.S_ISREG(kind) or stat.S_ISFIFO(kind) else ""
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: should be UTF-8 text"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror or type(error).__name__}"]) from None


def _home_problem(settings: Settings) -> str | None:
    """What is wrong with a data folder that is used: its path becomes a part of URLs, which are text."""
    if not (settings.embedded_database or settings.embedded_broker):
        return None
    try:
        str(settings.home).encode()
    except FileNotFoundError:
        return "is below the working folder, and the working folder is not there any more"
    except UnicodeEncodeError:
        return (
            "should be a folder whose whole path is UTF-8 text: name another one, or work in another folder"
        )
    return None


def setting_names() -> list[str]:
    """Every variable that is a setting, in the order of the fields."""
    return list(_walk(Settings, PREFIX))


def _walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name.upper()}{NESTED}")
        else:
            yield f"{prefix}{name.upper()}"


def _nest(given: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in given.items():
        *sections, leaf = name.removeprefix(PREFIX).lower().split(NESTED)
        target = values
        for section in sections:
            target = target.setdefault(section, {})
        target[leaf] = text
    return values


def _unknown(name: str) -> str:
    plain = re.match(r"\w*", name, re.ASCII)
    if plain and plain[0] != name:
        # The rest may be the value, where : was written for =.
        return (
            f"{plain[0]}…: is not a name; NAME=value would be right, the name of letters, digits and _ alone"
        )
    near = difflib.get_close_matches(name, setting_names(), n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else "README.md lists the settings."
    return f"{name}: no such setting; {hint}"


def _problem(loc: tuple[int | str, ...], message: str) -> str:
    # A union (`… | None`) adds the branch's name to the place. Only names of fields are ours.
    parts = [str(part).upper() for part in loc if str(part).isidentifier()]
    name = PREFIX + NESTED.join(parts)
    longest_first = sorted(setting_names(), key=len, reverse=True)
    known = next((known for known in longest_first if name.startswith(known)), name)
    return f"{known}: {message.removeprefix('Value error, ')}"
