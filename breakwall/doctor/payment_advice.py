"""What is wrong with the payment service's settings, by the code of a look-up's answer, and what to do."""

from breakwall.gateway_names import DEFAULT, STRIPE
from breakwall.payments.gateways import LookupAnswer, LookupResult
from breakwall.settings import Settings
from breakwall.urls.address import names_a_user

# Settings that only a real site needs: with one of them set, no simulator is suggested.
OF_A_REAL_SITE = """
    database_url broker_url payment_url payment_token payment_token_file payment_headers payment_headers_file
    payment_ca_file payment_cert_file payment_key_file payment_proxy payment_proxy_file payment_account
    payment_stripe_account
"""

# The field names of credentials, in the order in which they are named.
CREDENTIALS = ("payment_token", "payment_token_file", "payment_headers", "payment_headers_file")

_FILES = "BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE"
_OUR_CERTIFICATE = f"Check {_FILES}: they should hold the certificate that the service knows, and its key."
_GIVE_ONE = f"Set {_FILES} to the certificate that the service knows, and its key."
_PROXY = "in BREAKWALL_PAYMENT_PROXY or its file"
_ASK = "Check the host and port in BREAKWALL_PAYMENT_URL, that the service runs, and firewalls on the way."

# By the code of a look-up that had no usable answer: what is wrong, and what to do.
KNOWN = {
    "NameNotResolvedError": (
        "its name does not resolve",
        "Check the host in BREAKWALL_PAYMENT_URL, and this machine's name servers.",
    ),
    "PortClosedError": ("nothing listens on its port", _ASK),
    "ConnectTimeout": ("no connection came about in time", _ASK),
    "ProxyUnreachableError": (
        "the proxy is not there",
        f"Check the host and port {_PROXY}, and that the proxy runs.",
    ),
    "ProxyTimeout": ("the proxy hangs", f"Check the host and port {_PROXY}, and the proxy itself."),
    "ProxyCredentialsError": (
        "the proxy does not accept our credentials",
        f"Check the user and password {_PROXY}.",
    ),
    "http_407": ("the proxy does not accept our credentials", f"Check the user and password {_PROXY}."),
    "ProxyRefusedError": (
        "the proxy opens no connection to it",
        f"Check the host and port in BREAKWALL_PAYMENT_URL, and {_PROXY}; the proxy must be allowed to reach the "
        "service.",
    ),
    "NotTlsError": (
        "its port does not speak TLS",
        "Check the port in BREAKWALL_PAYMENT_URL. Write http:// only if nobody can read along on the way.",
    ),
    "SpeaksTlsError": ("its port speaks TLS", "Write https:// in BREAKWALL_PAYMENT_URL."),
    "ServiceCertificateUntrustedError": (
        "we do not trust the authority of its certificate",
        "If the service has an authority of its own, or signs its certificate itself, put that authority or "
        "certificate into BREAKWALL_PAYMENT_CA_FILE. Get it from the service's operators, not from the connection.",
    ),
    "ServiceCertificateExpiredError": (
        "its certificate is not valid now",
        "Ask the service's operators to renew it, and check this machine's clock.",
    ),
    "ServiceCertificateHostError": (
        "its certificate is for another host",
        "Write the host into BREAKWALL_PAYMENT_URL that the certificate names.",
    ),
    "CertificateMissingError": ("it wants a certificate of ours", _GIVE_ONE),
    "CertificateExpiredError": (
        "our certificate has expired",
        "Renew BREAKWALL_PAYMENT_CERT_FILE. Running processes use the new file without a restart.",
    ),
    "CertificateRefusedError": ("it refuses our certificate", _OUR_CERTIFICATE),
    "ReadTimeout": (
        "it took the request and does not answer",
        "Ask the service's operators: it hangs, or is slower than a look-up may be.",
    ),
    "unexpected_body": (
        "something else answers there",
        "Check the host, the port and the path in BREAKWALL_PAYMENT_URL.",
    ),
    "http_404": (
        "its address is not there",
        "Check the host and the path in BREAKWALL_PAYMENT_URL, without /api/charge.",
    ),
}

NO_LOOKUP = (
    "Check the path in BREAKWALL_PAYMENT_URL. If the service has no look-up, orders whose outcome stays unknown need a "
    "person (`review`), unless the service promises BREAKWALL_PAYMENT_DEDUPLICATES."
)

_NO_LOOKUP_CODES = frozenset({"http_405", "http_501"})
# Many servers that require a certificate, or TLS, hang up before they say so.
_HUNG_UP = frozenset(
    {"ReadError", "WriteError", "HandshakeRefusedError", "RemoteProtocolError", "StrayAnswerError"}
)


def explain(settings: Settings, answer: LookupAnswer) -> tuple[str, str]:
    """What is wrong, and what to do, after a look-up of a charge that does not exist."""
    if answer.result is not LookupResult.UNAVAILABLE:
        what = f"it says {answer.result} of a charge that was never made"
        return (
            what,
            "Check BREAKWALL_PAYMENT_URL: something else answers there, or its look-ups cannot be believed.",
        )
    what, _ = KNOWN.get(answer.code or "", ("", ""))
    detail = answer.detail or answer.code or str(answer.result)
    return f"{what}. {detail}" if what else detail, advice_for(settings, answer.code)


def advice_for(settings: Settings, code: str | None) -> str:
    """What to do about an answer with this code. Only a trial is told of the simulator."""
    if code in {"http_401", "http_403"}:
        return _about_credentials(settings, code)
    if settings.payment_gateway == STRIPE and code not in KNOWN:
        return "Check BREAKWALL_PAYMENT_TOKEN, …_STRIPE_ACCOUNT and, if it is set, …_URL: docs/stripe.md."
    if settings.payment_gateway != DEFAULT and code not in KNOWN:
        return f"Check what {settings.gateway_name} needs: BREAKWALL_PAYMENT_URL, …_TOKEN, …_OPTIONS."
    if settings.payment_gateway == DEFAULT and "payment_url" not in settings.model_fields_set:
        is_trial = settings.model_fields_set.isdisjoint(OF_A_REAL_SITE.split())
        trial = ", or run `breakwall simulator` to try things out" if is_trial else ""
        return f"Set BREAKWALL_PAYMENT_URL{trial}."
    if code in KNOWN:
        return KNOWN[code][1]
    if code in _NO_LOOKUP_CODES:
        return NO_LOOKUP
    return _about_the_rest(settings, code)


def given_credentials(settings: Settings) -> list[str]:
    """The variables that hold our credentials."""
    given = [f"BREAKWALL_{name.upper()}" for name in CREDENTIALS if getattr(settings, name) is not None]
    has_user = names_a_user(settings.payment_url.get_secret_value())
    return given + (["the user and password in BREAKWALL_PAYMENT_URL"] if has_user else [])


def _about_credentials(settings: Settings, code: str | None) -> str:
    given = " or ".join(given_credentials(settings))
    if not given:
        return "The service wants credentials, and none are set: set BREAKWALL_PAYMENT_TOKEN or one of the others."
    if code == "http_401":
        return f"Check {given}: the address is right, but the service does not accept the credentials."
    return f"Check {given}: the service may know them, but they, or this machine's address, lack the right to look up."


def _about_the_rest(settings: Settings, code: str | None) -> str:
    advice = "Check BREAKWALL_PAYMENT_URL and that the service runs"
    if code in _HUNG_UP and settings.payment_url.get_secret_value().startswith("https:"):
        has_one = settings.payment_cert_file is not None
        asks = "whether our certificate is right" if has_one else "whether it requires a client certificate"
        return f"{advice}, and {asks}: BREAKWALL_PAYMENT_CERT_FILE."
    return f"{advice}."
