"""How far a call had come, and the errors that end it. An attempt's code stores an error's name: keep the names."""

from enum import Enum


class Phase(Enum):
    """How far a call had come when it failed."""

    WAITING = "waiting"  # no new connection was begun, and nothing was written
    CONNECTING = (
        "connecting"  # resolving, connecting or in the TLS handshake; nothing of the request was written
    )
    SENT = "sent"  # a byte of the request may have left


class PoolFullError(Exception):
    """All of the gateway's own connections were busy."""


class DeadlinePassedError(Exception):
    """No time was left when the call began."""


class StrayAnswerError(Exception):
    """The answer was there before our request, so it belongs to another one."""


class ConnectTimeout(Exception):  # noqa: N818 - a stored name
    """The deadline passed before there was a connection."""


class ConnectError(Exception):
    """No connection could be made."""


class WriteTimeout(Exception):  # noqa: N818 - a stored name
    """The deadline passed while the request was written."""


class WriteError(Exception):
    """The connection broke while the request was written."""


class ReadTimeout(Exception):  # noqa: N818 - a stored name
    """The deadline passed before the answer was complete."""


class ReadError(Exception):
    """The connection broke before the answer was complete."""


class CertificateRefusedError(Exception):
    """The service refused our certificate. TLS 1.3 may say so only after the request was written."""
