"""Reads the settings from the environment and from `.env`, and reports what is wrong, without any value."""

import difflib
import logging
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

from breakwall.gateway_names import is_path
from breakwall.settings.errors import SettingsError
from breakwall.settings.model import Settings
from breakwall.settings.sections import PREFIX

NESTED = "__"
OUTCOMES = f"{PREFIX}OUTCOMES{NESTED}"

# Settings that may name code, as ``module:factory``. Whoever can write a file in the working folder must not thereby
# choose what runs.
CODE = (f"{PREFIX}PAYMENT_GATEWAY", f"{PREFIX}OUTCOMES__LISTENER")


logger = logging.getLogger("breakwall.settings")


def load_producer_settings(
    environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None
) -> Settings:
    """As `load_settings`, but what is wrong with ``BREAKWALL_OUTCOMES__…`` is only a warning in the log.

    A producer delivers no outcome, so it sells without these settings, and has none of them then. Workers and
    ``doctor`` refuse them.
    """
    try:
        return load_settings(environ, dotenv=dotenv)
    except SettingsError as error:
        wrong = [problem for problem in error.problems if problem.startswith(OUTCOMES)]
        if wrong != error.problems:
            raise
        settings = _load(environ, dotenv, leave_out=OUTCOMES)
        logger.warning(
            "the settings for outcomes are wrong, and no worker starts with them: %s", "; ".join(wrong)
        )
        return settings


def load_settings(environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
    """Read the settings from ``environ``; by default from the process's environment, which overrides ``.env``.

    Raises `SettingsError`, which names every unknown or unusable variable and what would be right.
    """
    return _load(environ, dotenv)


def _load(environ: Mapping[str, str] | None, dotenv: Path | None, leave_out: str | None = None) -> Settings:
    """``leave_out``: the beginning of variables that count as not set."""
    problems = []
    if environ is None:
        in_file = _without(leave_out, read_dotenv(dotenv or Path(".env"), PREFIX))
        problems = [
            _code_in_file(name) for name in CODE if is_path(in_file.get(name, "")) and name not in os.environ
        ]
        environ = {**in_file, **os.environ}
    given = {name: value for name, value in _without(leave_out, environ).items() if name.startswith(PREFIX)}
    unknown = [name for name in given if name not in setting_names()]
    problems += [_unknown(name) for name in sorted(unknown)]
    try:
        settings = Settings(**_nest({k: v for k, v in given.items() if k not in unknown}))
    except ValidationError as error:
        problems += [_problem(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
    if not problems and (problem := _home_problem(settings)):
        problems.append(f"{PREFIX}DATA_DIR: {problem}")
    if problems:
        raise SettingsError(problems)
    return settings


def _without(beginning: str | None, variables: Mapping[str, str]) -> Mapping[str, str]:
    if beginning is None:
        return variables
    return {name: value for name, value in variables.items() if not name.startswith(beginning)}


def read_dotenv(path: Path, prefix: str) -> dict[str, str]:
    """The variables in the file; none if there is no file.

    Raises `SettingsError` if it is no text, or if a line with a variable that begins with ``prefix`` cannot be read:
    with the default for that variable, orders would go into another database.
    """
    bindings = list(parse_stream(StringIO(_text(path))))
    for one in bindings:
        if one.error and prefix in one.original.string:
            right = "NAME=value would be right, and a value that begins with a quote ends with it"
            raise SettingsError([f"{path}: line {one.original.line} cannot be read: {right}"])
    # Without other programs' unreadable lines, because python-dotenv would warn of them each time.
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
    """What is wrong with the data folder, if it is used. Its path becomes a part of URLs, which are text."""
    if not (settings.embedded_database or settings.embedded_broker):
        return None
    try:
        str(settings.home).encode()
    except FileNotFoundError:
        return "is below the working folder, and the working folder is not there any more"
    except UnicodeEncodeError:
        return "should be a folder whose whole path is UTF-8 text: name another, or change the working folder"
    return None


def setting_names() -> list[str]:
    """All variables that are settings, in the order of the fields."""
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


def _code_in_file(name: str) -> str:
    return (
        f"{name}: a path to code is taken from the process's environment alone, not from .env; set it there"
    )


def _unknown(name: str) -> str:
    plain = re.match(r"\w*", name, re.ASCII)
    if plain and plain[0] != name:
        # The rest may be the value, if : was written instead of =.
        return (
            f"{plain[0]}…: is not a name; NAME=value would be right, with letters, digits and _ in the name"
        )
    near = difflib.get_close_matches(name, setting_names(), n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else "README.md lists the settings."
    return f"{name}: no such setting; {hint}"


def _problem(loc: tuple[int | str, ...], message: str) -> str:
    # For a union (`… | None`) pydantic adds the branch's name. Only names of fields are kept.
    parts = [str(part).upper() for part in loc if str(part).isidentifier()]
    name = PREFIX + NESTED.join(parts)
    longest_first = sorted(setting_names(), key=len, reverse=True)
    known = next((known for known in longest_first if name.startswith(known)), name)
    return f"{known}: {message.removeprefix('Value error, ')}"
