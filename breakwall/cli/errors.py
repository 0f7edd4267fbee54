"""Reports the error that ended a command: sentences on stderr, and an exit code. Only a bug has a traceback."""

import errno
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import typer

from breakwall.errors import BreakwallError, ExitCode
from breakwall.host.exhaustion import exhausted_resource
from breakwall.terminal.logs import is_log_json, write_event
from breakwall.terminal.output import write_json_note, write_note

_USER = re.compile(r"://\S*@")


@dataclass(frozen=True, slots=True)
class Explanation:
    """An error in sentences; ``details`` are fields for JSON only."""

    kind: str
    code: ExitCode
    sentences: list[str]
    details: dict[str, Any] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        error = {"type": self.kind, "message": "; ".join(self.sentences), **self.details}
        return {"error": error, "exit_code": int(self.code)}


def report(error: Exception, *, as_json: bool, log: str | None = None) -> int:
    """Write an error to stderr and return the exit code. A bug is raised again.

    ``log``: the name of the events that the command logs to stderr. If the log is JSON, the error is JSON too: if a
    service manager restarts a worker again and again, the log is all that people read.
    """
    logs_json = log is not None and is_log_json()
    if isinstance(error, typer.TyperException) and not (as_json or logs_json):
        with suppress(OSError):  # Without stderr there is only the exit code.
            _show_usage(error)
        return error.exit_code
    explanation = explain(error)
    if explanation is None:
        raise error
    with suppress(OSError):
        if log is not None and logs_json:
            for sentence in explanation.sentences:
                write_event(log, sentence)
        elif as_json:
            write_json_note(explanation.as_document())
        else:
            for sentence in explanation.sentences:
                write_note(f"Error: {sentence}")
    return explanation.code


def explain(error: Exception) -> Explanation | None:
    """Describe an error; None for a bug. Imports nothing: descriptors or memory may be exhausted."""
    match error:
        case typer.TyperException():
            code = ExitCode.USAGE if error.exit_code == ExitCode.USAGE else ExitCode.FAILURE
            return Explanation("usage", code, [_for_people(error.format_message())])
        case typer.Abort():
            return Explanation("aborted", ExitCode.FAILURE, ["aborted"])
        case OSError():
            return Explanation("system", ExitCode.FAILURE, [_os_sentence(error)])
        case ModuleNotFoundError(name="psycopg"):
            advice = "PostgreSQL needs a driver: pip install 'breakwall[postgres]'"
            return Explanation("settings", ExitCode.USAGE, [f"BREAKWALL_DATABASE_URL: {advice}"])
    # A `DatabaseUnavailableError` names the exhausted resource itself, with more details.
    resource = None if hasattr(error, "lack") else exhausted_resource(error)
    if resource is not None:
        return Explanation("system", ExitCode.FAILURE, [f"this process has no {resource} left"])
    if isinstance(error, BreakwallError):
        return Explanation(error.kind, error.exit_code, error.sentences(), error.details())
    return None


def _show_usage(error: typer.TyperException) -> None:
    error.message = _for_people(error.message)
    show = getattr(error, "show", None)  # Usage errors also show how the command is used.
    if show is None:
        write_note(f"Error: {error.format_message()}")
    else:
        show()


def _for_people(message: str) -> str:
    """The message without a URL's user and password, which it may repeat, and without pydantic's prefix."""
    return _USER.sub("://…@", message.replace("Value error, ", "", 1))


def _os_sentence(error: OSError) -> str:
    if error.errno == errno.EBADF and not error.filename:
        return "stdout is closed: the output cannot be written"
    if error.errno == errno.ENOENT and not error.filename:
        return "the working folder does not exist any more"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
