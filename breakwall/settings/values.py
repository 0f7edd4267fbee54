"""The checks of a variable's text: secrets, files, folders, and empty variables."""

from collections.abc import Callable
from pathlib import Path

from pydantic import AfterValidator, BeforeValidator, SecretStr

# An empty variable counts as not set, because compose files pass such variables.
UNSET = BeforeValidator(lambda value: None if value == "" else value)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # Of a site and of a payment account.


def secret(check: Callable[[str], object]) -> AfterValidator:
    """Check a secret with ``check``, which raises `ValueError`."""

    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return AfterValidator(checked)


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
