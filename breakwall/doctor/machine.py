"""Checks Python, the libraries, the data folder and the environment."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from breakwall.doctor.findings import Finding, fine, problem

if TYPE_CHECKING:
    from breakwall.settings import Settings

OLDEST_SQLITE = (3, 35, 0)  # The first with RETURNING, which the ledger uses.

LIBRARIES = "celery kombu sqlalchemy alembic httpx2 pydantic redis typer rich structlog"


def python() -> list[Finding]:
    """The versions of Python and of its SQLite."""
    shown = f"{platform.python_version()} on {platform.system()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return [problem("python", shown, "SQLite 3.35 or newer is needed.")]
    return [fine("python", shown)]


def libraries(settings: Settings) -> list[Finding]:
    """The libraries that are always needed, and those that these settings need."""
    wanted = [*LIBRARIES.split(), *(["psycopg"] if _uses_psycopg(settings) else [])]
    found, missing = [], []
    for name in wanted:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if not missing:
        return [fine("libraries", ", ".join(found))]
    extra = "pip install 'breakwall[postgres]'" if missing == ["psycopg"] else "pip install breakwall"
    return [problem("libraries", f"missing: {', '.join(missing)}", f"Run {extra}.")]


def data_folder(settings: Settings) -> list[Finding]:
    """Whether the data folder can hold the embedded database and broker."""
    name, home = "data folder", settings.home
    if not (settings.embedded_database or settings.embedded_broker):
        return [fine(name, "not used by these settings")]
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        advice = "Set BREAKWALL_DATA_DIR to a folder that this user may write to."
        return [problem(name, f"{existing} is not a folder that this user may write to", advice)]
    made = "" if existing == home else ", made on first use"
    return [fine(name, f"{home}{made}")]


def environment(settings: Settings) -> list[Finding]:
    """Celery's own variables, which Breakwall ignores. Only names are shown: a value may be a password."""
    from breakwall.broker.celery_environment import ENDS_CELERY, foreign_variables

    name = "environment"
    if os.environ.get(ENDS_CELERY):
        detail = f"{ENDS_CELERY} is set, so Celery cannot be imported and no message is sent"
        return [problem(name, detail, f"Unset {ENDS_CELERY}.")]
    found = ", ".join(foreign_variables(os.environ))
    return [fine(name, f"Celery's own variables are ignored: {found}" if found else "no variables of Celery")]


def _uses_psycopg(settings: Settings) -> bool:
    urls = (settings.database, settings.breaker_store)
    return any(url.startswith(("postgresql://", "postgresql+psycopg://")) for url in urls)
