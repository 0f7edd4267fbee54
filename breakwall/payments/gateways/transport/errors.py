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
    """No connection could be made. Where the reason is known, it is one of the classes below."""


class NameNotResolvedError(ConnectError):
    """The service's host name has no address."""


class PortClosedError(ConnectError):
    """Nothing listens on the service's port, or a firewall refuses it."""


class ProxyUnreachableError(ConnectError):
    """There is no connection to the proxy."""


class ProxyTimeout(ConnectTimeout):
    """The proxy did not answer in time."""


class ProxyCredentialsError(ConnectError):
    """The proxy wants credentials, or others."""


class ProxyRefusedError(ConnectError):
    """The proxy opened no connection to the service."""


class NotTlsError(ConnectError):
    """The service's port does not speak TLS."""


class HandshakeRefusedError(ConnectError):
    """The service broke off the TLS handshake without a reason. Many do that if they want a certificate of ours."""


class ServiceCertificateUntrustedError(ConnectError):
    """No authority that we trust has signed the service's certificate."""


class ServiceCertificateExpiredError(ConnectError):
    """The service's certificate is not valid now: it has expired, is not valid yet, or a clock is wrong."""


class ServiceCertificateHostError(ConnectError):
    """The service's certificate is for another host name."""


class WriteTimeout(Exception):  # noqa: N818 - a stored name
    """The deadline passed while the request was written."""


class WriteError(Exception):
    """The connection broke while the request was written."""


class ReadTimeout(Exception):  # noqa: N818 - a stored name
    """The deadline passed before the answer was complete."""


class ReadError(Exception):
    """The connection broke before the answer was complete."""


class CertificateRefusedError(Exception):
    """The service refused our certificate. TLS 1.3 may say so only after the request was written.

    ``unread``: it is proven that the service has not read the request.
    """

    unread = False


class CertificateMissingError(CertificateRefusedError):
    """The service wants a certificate of ours, and got none."""


class CertificateExpiredError(CertificateRefusedError):
    """To the service, our certificate has expired."""


class SpeaksTlsError(Exception):
    """The service answered with TLS to a request without it."""
