"""The checks of a variable's text: secrets, files, folders, and empty variables."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

# An empty variable counts as not set, because compose files pass such variables.
UNSET = BeforeValidator(lambda value: None if value == "" else value)


def secret(check: Callable[[str], object]) -> AfterValidator:
    """Check a secret with ``check``, which raises `ValueError`."""

    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return AfterValidator(checked)


def parse_options(text: str) -> dict[str, Any]:
    """A JSON object. `ValueError` for any other text, which is not repeated."""
    try:
        options = json.loads(text)
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise ValueError('should be a JSON object: {"merchant": "shop-17"}')  # noqa: TRY004 - pydantic's
    return options


def checked(check: Callable[[str], object]) -> AfterValidator:
    """Check a text with ``check``, which raises `ValueError`."""

    def unchanged(value: str) -> str:
        check(value)
        return value

    return AfterValidator(unchanged)


def name(text: str) -> str:
    """Check the name of a site or of a payment account; returned unchanged."""
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError(
            "should be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or a digit"
        )
    return text


def stripe_account(text: str) -> str:
    """Check the id of a connected account at Stripe; returned unchanged."""
    if not re.fullmatch("acct_[A-Za-z0-9]{1,64}", text):
        raise ValueError("should be the id of a connected account at Stripe, such as acct_1N…")
    return text


def plain_name(text: str) -> None:
    """Check the name of a task or of a queue."""
    if not re.fullmatch("[A-Za-z0-9_.:-]{1,255}", text):
        raise ValueError("should be 1 to 255 letters, digits, dots, colons, dashes or underscores")


def file(check: Callable[[Path], object]) -> AfterValidator:
    """Make a file's path absolute, and check it with ``check``, which raises `ValueError`."""

    def checked(value: Path) -> Path:
        path = _expanded(value).absolute()  # a worker may change its working folder
        check(path)
        return path

    return AfterValidator(checked)


def folder(path: Path) -> Path:
    """Check that the path is a folder or can become one; returned unchanged."""
    whole = _expanded(path)
    try:
        is_file = whole.exists() and not whole.is_dir()
    except OSError as error:
        raise ValueError(f"cannot be a folder: {error.strerror or type(error).__name__}") from None
    if is_file:
        raise ValueError("is a file; it should be a folder, or a path where one can be made")
    return path


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # HOME is unset, or there is no user of this number or name
        raise ValueError(
            "begins with a ~, and there is no home folder for it: name an absolute path"
        ) from None
