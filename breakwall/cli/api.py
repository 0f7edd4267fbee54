"""`breakwall api`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.errors import BreakwallError

if TYPE_CHECKING:
    from socket import socket

    from breakwall.settings import Settings


class LogLevel(StrEnum):
    """From which level on events are logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class MissingExtraError(BreakwallError):
    """What the API needs is not installed."""

    kind = "missing_extra"


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, metavar="PORT", help="Port to listen on; 0: a free one.")
    ] = 8080,
    processes: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Processes that share the port.")
    ] = 1,
    loglevel: Annotated[
        LogLevel, typer.Option(case_sensitive=False, help="Log events from this level on.")
    ] = LogLevel.WARNING,
    socket: Annotated[
        int | None, typer.Option(hidden=True, help="Number of the socket that the parent listens on.")
    ] = None,
) -> None:
    """Serve the HTTP API and the operator's page, until Ctrl-C.

    It stops within 5 seconds: it ends the event streams, answers the requests in hand, and finishes the charges in
    hand. A worker finishes the charges that last longer. Several of these commands may run side by side, on ports of
    their own.
    """
    from breakwall.settings import load_settings
    from breakwall.terminal.streams import serve_without_stdout

    _check_extra()
    from breakwall.web.log_setup import set_up_logging

    serve_without_stdout()
    settings = load_settings()
    set_up_logging(settings.log.format, loglevel)
    if socket is not None:
        raise typer.Exit(_serve_inherited(settings, socket))
    raise typer.Exit(_serve(settings, host, port, processes, loglevel))


def _check_extra() -> None:
    from breakwall.host.extras import WEB, missing_modules

    if missing := missing_modules(WEB):
        raise MissingExtraError(
            f"the API needs {', '.join(missing)}, not installed here: pip install 'breakwall[web]'"
        )


def _serve(settings: Settings, host: str, port: int, processes: int, level: str) -> int:
    from breakwall.web.listening import listen
    from breakwall.web.server_processes import ServerProcesses, command_of_one

    listener = listen(host, port)
    if processes == 1:
        return _serve_here(settings, listener)
    return ServerProcesses(listener, processes, command_of_one(level)).run()


def _serve_inherited(settings: Settings, number: int) -> int:
    from breakwall.web.listening import inherited

    return _serve_here(settings, inherited(number))


def _serve_here(settings: Settings, listener: socket) -> int:
    # Not where several processes serve: what it imports would be their parent's too, and delay its end.
    from breakwall.web.server import serve

    return serve(settings, listener)
