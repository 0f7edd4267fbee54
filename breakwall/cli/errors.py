"""The one place where an error becomes a sentence on stderr and an exit code. Never a traceback for ours."""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import typer

from breakwall.host.exhaustion import SHORTAGES, lack_of
from breakwall.terminal.logs import is_log_json, write_event
from breakwall.terminal.output import write_json_note, write_note


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class Explanation:
    """An error in words: ``problems`` holds, for each field that is at fault, what would be right; ``order`` is what
    is left of a pruned one."""

    kind: str
    code: ExitCode
    messages: list[str]
    problems: dict[str, str] = field(default_factory=dict)
    order: dict[str, Any] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        error: dict[str, Any] = {"type": self.kind, "message": "; ".join(self.messages)}
        if self.problems:
            error["problems"] = self.problems
        if self.order:
            error["order"] = self.order
        return {"error": error, "exit_code": int(self.code)}


def report(error: Exception, *, as_json: bool, logs: bool = False) -> int:
    """Tell an error on stderr and return the exit code; raise it again when it is a fault of ours.

    Args:
        logs: the command writes a log to stderr. Where that is JSON, so is what ends it: a worker that is started
            again and again, and ends each time, has no other.
    """
    if logs and is_log_json():
        return _report_as_event(error)
    if isinstance(error, typer.TyperException) and not as_json:
        with suppress(OSError):  # of stderr: then the code alone has to say it
            _show_usage(error)
        return error.exit_code
    explanation = explain(error)
    if explanation is None:
        raise error
    with suppress(OSError):
        _write(explanation, as_json=as_json)
    return explanation.code


def _report_as_event(error: Exception) -> int:
    explanation = explain(error)
    if explanation is None:
        raise error
    with suppress(OSError):
        for message in explanation.messages:
            write_event("breakwall.worker", message)
    return explanation.code


def _write(explanation: Explanation, *, as_json: bool) -> None:
    if as_json:
        write_json_note(explanation.as_document())
        return
    for message in explanation.messages:
        write_note(f"Error: {message}")


def explain(error: Exception) -> Explanation | None:
    """Put an error into words; None for one that nobody has foreseen."""
    if isinstance(error, typer.TyperException):
        code = ExitCode.USAGE if error.exit_code == ExitCode.USAGE else ExitCode.FAILURE
        return Explanation("usage", code, [_for_people(error.format_message())])
    if isinstance(error, typer.Abort):
        return Explanation("aborted", ExitCode.FAILURE, ["aborted"])
    if (lack := _explain_lack(error)) is not None:
        return lack
    # The lighter its imports the earlier, so that a slip of the pen is answered at once.
    explainers = (
        _explain_order,
        _explain_breaker,
        _explain_settings,
        _explain_database,
        _explain_broker,
        _explain_system,
    )
    try:
        return next((told for told in (explainer(error) for explainer in explainers) if told), None)
    except SHORTAGES as shortage:  # of what an explanation takes: say that instead
        return _explain_lack(shortage)


def _show_usage(error: typer.TyperException) -> None:
    error.message = _for_people(error.message)
    show = getattr(error, "show", None)  # Usage errors show the command's usage line beside the message.
    if show is None:
        write_note(f"Error: {error.format_message()}")
    else:
        show()


def _for_people(message: str) -> str:
    """A usage error's sentence, which repeats what was given: without a URL's user and password."""
    plain = message.replace("Value error, ", "", 1)  # pydantic's, of no use to a reader
    return _USER.sub("://…@", plain)


_USER = re.compile(r"://\S*@")


def _explain_settings(error: Exception) -> Explanation | None:
    from breakwall.settings import SettingsError

    if not isinstance(error, SettingsError):
        return None
    problems = dict(problem.split(": ", 1) for problem in error.problems)
    return Explanation("settings", ExitCode.USAGE, error.problems, problems)


def _explain_order(error: Exception) -> Explanation | None:
    from breakwall.files.errors import UnreadableFileError
    from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError

    match error:
        case InvalidOrderError(problems=problems):
            lines = [f"{name}: {problem}" for name, problem in problems.items()]
            return Explanation("invalid_order", ExitCode.USAGE, lines, problems)
        case IdempotencyConflictError():
            name, problem = str(error).split(": ", 1)
            return Explanation("idempotency_conflict", ExitCode.USAGE, [str(error)], {name: problem})
        case UnreadableFileError(field=field, problem=problem):
            problems = {field: problem} if field else {}
            return Explanation("unreadable_file", ExitCode.USAGE, [str(error)], problems)
    return None


def _explain_database(error: Exception) -> Explanation | None:
    from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
    from breakwall.payments.ledger.queries import AmbiguousNameError, OrderNotFoundError, OrderPrunedError
    from breakwall.payments.operator.incidents import IncidentNotFoundError
    from breakwall.payments.operator.retry_and_cancel import RefusedError

    match error:
        case SchemaError():
            return Explanation("schema", ExitCode.USAGE, [str(error)])
        case DatabaseUnavailableError():
            return Explanation("database_unavailable", ExitCode.FAILURE, [str(error)])
        case OrderPrunedError(pruned=pruned):
            return Explanation("pruned", ExitCode.NOT_FOUND, [str(error)], order=pruned.as_document())
        case OrderNotFoundError() | IncidentNotFoundError():
            return Explanation("not_found", ExitCode.NOT_FOUND, [str(error)])
        case AmbiguousNameError():
            return Explanation("ambiguous", ExitCode.REFUSED, [str(error)])
        case RefusedError():
            return Explanation("refused", ExitCode.REFUSED, [str(error)])
    return None


def _explain_breaker(error: Exception) -> Explanation | None:
    from breakwall.breaker import StoreLostError
    from breakwall.cli.breaker import NotSharedError

    if isinstance(error, NotSharedError):
        return Explanation("refused", ExitCode.REFUSED, [str(error)])
    if isinstance(error, StoreLostError):
        advice = (
            "It may have arrived nevertheless: `breakwall breaker status` tells. "
            "Check BREAKWALL_BREAKER_STORE_URL (by default the orders database)."
        )
        return Explanation("store_lost", ExitCode.FAILURE, [f"{error}. {advice}"])
    return None


def _explain_broker(error: Exception) -> Explanation | None:
    from breakwall.broker import BrokerNotStartedError, WrongQueueError
    from breakwall.broker.embedded.find_server import NoServerProgramError

    if isinstance(error, WrongQueueError):
        return Explanation("wrong_queue", ExitCode.USAGE, [f"{error}."])
    if isinstance(error, BrokerNotStartedError | NoServerProgramError):
        return Explanation("no_broker", ExitCode.FAILURE, [str(error)])
    return None


def _explain_lack(error: Exception) -> Explanation | None:
    """First, and with nothing to import: there may be no descriptor and no memory for that."""
    if isinstance(error, OSError):
        return _explain_os(error) if lack_of(error) else None
    # A `DatabaseUnavailableError` says it itself, and more.
    lack = None if hasattr(error, "lack") else lack_of(error)
    if lack is None:
        return None
    return Explanation("system", ExitCode.FAILURE, [f"this process has no {lack} left"])


def _explain_os(error: OSError) -> Explanation:
    if error.errno == errno.EBADF and not error.filename:
        return Explanation("system", ExitCode.FAILURE, ["stdout is closed: there is nowhere to write to"])
    if error.errno == errno.ENOENT and not error.filename:
        return Explanation("system", ExitCode.FAILURE, ["the working folder is not there any more"])
    where = f"{error.filename}: " if error.filename else ""
    return Explanation("system", ExitCode.FAILURE, [f"{where}{error.strerror or error}"])


def _explain_system(error: Exception) -> Explanation | None:
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        advice = "PostgreSQL needs a driver: pip install 'breakwall[postgres]'"
        return Explanation("settings", ExitCode.USAGE, [f"BREAKWALL_DATABASE_URL: {advice}"])
    return _explain_os(error) if isinstance(error, OSError) else None
