"""A token in a file, for a program that starts by itself: made once, and again if the file or the token is lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from breakwall.host.private_files import open_private

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database

LONGEST = 200  # Characters of a file that may hold a token.


def is_in_use(database: Database, name: str, file: Path) -> bool:
    """Whether the file holds the valid token of this name."""
    from breakwall.access.stored_tokens import read_tokens
    from breakwall.access.tokens import digest_of
    from breakwall.payments.db.clock import DATABASE_CLOCK

    try:
        token = file.read_text("utf-8")[:LONGEST].strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    except OSError as error:
        raise _unusable(error) from None
    valid = database.read(lambda connection: read_tokens(connection, DATABASE_CLOCK)).valid
    return any(one.name == name and one.digest == digest_of(token) for one, _ in valid)


def check_writable(file: Path) -> None:
    """Refuse a file that cannot be written, before there is a token that would be lost."""
    try:
        with open_private(_beside(file), "w"):
            pass
    except OSError as error:
        raise _unusable(error) from None


def write_token(file: Path, token: str) -> None:
    """Write it whole or not at all; only the owner may read it."""
    with open_private(_beside(file), "w") as new:
        new.write(f"{token}\n")
        new.flush()
        os.fsync(new.fileno())
    _beside(file).replace(file)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")


def _unusable(error: OSError) -> typer.BadParameter:
    why = error.strerror or type(error).__name__
    return typer.BadParameter(
        f"cannot be written ({why}): name a file in a folder of yours", param_hint="--into"
    )
