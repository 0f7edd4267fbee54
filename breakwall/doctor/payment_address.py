"""Asks what one look-up cannot tell: is its 404 the service's, are the credentials looked at, does the port speak TLS?

Only GET is sent. It charges nothing.
"""

import re
import ssl
import time
import uuid
from contextlib import closing
from urllib.parse import urlsplit

from pydantic import SecretStr

from breakwall.payments.gateways import LookupResult, gateway_from_settings
from breakwall.payments.gateways.http import HttpGateway
from breakwall.payments.gateways.transport.deadline import Call
from breakwall.payments.gateways.transport.errors import CertificateRefusedError, HandshakeRefusedError
from breakwall.payments.gateways.transport.resolver import Resolver
from breakwall.payments.gateways.transport.routes import Route
from breakwall.settings import Settings

FURTHER = 2.0  # Seconds for all further questions, after the first one was answered.

CHARGE, LOOKUP = "/api/charge", "/api/charges"

# What the body of an answer may repeat of a path that was asked for, and its numbers, such as times.
_VARYING = re.compile(rb"/api/charges?|breakwall-doctor-[0-9a-f-]+|/|[0-9]+")


def unknown_name() -> str:
    """A name that no charge and no address has."""
    return f"breakwall-doctor-{uuid.uuid4()}"


def missing_addresses(gateway: HttpGateway, *, deadline: float) -> list[str]:
    """Of the two addresses of the protocol, those that answer like an address that does not exist.

    A service may give a charge that it does not know the same answer. So one of them alone says little.
    """
    nowhere = _form(gateway, f"/{unknown_name()}", deadline)
    if nowhere is None or _form(gateway, f"{LOOKUP}/{unknown_name()}", deadline) != nowhere:
        return []
    # It takes only POST: most services answer 405.
    return [LOOKUP, CHARGE] if _form(gateway, CHARGE, deadline) == nowhere else [LOOKUP]


def answers_without_credentials(settings: Settings, *, deadline: float) -> bool:
    """Whether a look-up of the gateway `http` gets the same answer without our credentials."""
    url = urlsplit(settings.payment_url.get_secret_value())
    anonymous = {
        "payment_url": SecretStr(f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"),
        "payment_token": None,
        "payment_token_file": None,
        "payment_headers": None,
        "payment_headers_file": None,
    }
    with closing(gateway_from_settings(settings.model_copy(update=anonymous))) as gateway:
        answer = gateway.look_up(unknown_name(), deadline=deadline)
    return answer.result is LookupResult.ABSENT


def speaks_tls(settings: Settings) -> bool:
    """Whether the port of an ``http`` service that we reach without a proxy speaks TLS."""
    url = urlsplit(settings.payment_url.get_secret_value())
    if url.scheme != "http" or url.hostname is None or settings.payment_proxy_url is not None:
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is sent: it does not matter who is there.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with closing(Resolver()) as resolver:
        try:
            route = Route(context, None)
            route.connect(url.hostname, url.port or 80, resolver, Call(time.monotonic() + FURTHER)).close()
        except (CertificateRefusedError, HandshakeRefusedError):
            return True
        except Exception:  # any other failure: then it is not known to
            return False
    return True


def _form(gateway: HttpGateway, path: str, deadline: float) -> tuple[int, bytes] | None:
    """The answer to a GET without what depends on the path or the time; None without an answer."""
    try:
        reply = gateway.get(path, deadline=deadline)
    except Exception:  # of the service or the network: the look-up before has been answered
        return None
    return reply.status, _VARYING.sub(b"", reply.body or b"")
