"""What may be after the ? of a URL: known names with possible values, never a secret.

A password after the ? would be shown in URLs without their user. A password with an unescaped ? looks like parameters.
So only these names are accepted, and no value is repeated.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

ANYTHING = re.compile(r"[^\x00-\x1f\x7f]*")
NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
WHOLE = re.compile(r"\d{1,9}", re.ASCII)
WORD = re.compile(r"[\w.-]{1,63}", re.ASCII)
SWITCH = re.compile(r"(?i:true|false|yes|no|on|off|[01ynft])")
# Hosts, each with or without a port, or folders of sockets.
HOSTS = re.compile(r"(/[^,@]*|[\w.-]+(:\d{1,5})?)(,(/[^,@]*|[\w.-]+(:\d{1,5})?))*", re.ASCII)

Known = Mapping[str, re.Pattern[str]]


def _one_of(*values: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, values)))


# libpq's parameters, without those that hold a secret or repeat a part before the ?.
POSTGRESQL: Known = {
    "sslmode": _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": _one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "host": HOSTS,
    **dict.fromkeys(("application_name", "options", "passfile"), ANYTHING),
    **dict.fromkeys(("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir"), ANYTHING),
    **dict.fromkeys(("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"), WHOLE),
    **dict.fromkeys(("connect_timeout", "tcp_user_timeout", "sslsni"), WHOLE),
    **dict.fromkeys(
        ("client_encoding", "service", "gssencmode", "krbsrvname", "gsslib", "require_auth"), WORD
    ),
    **dict.fromkeys(("channel_binding", "load_balance_hosts", "sslnegotiation", "sslcertmode"), WORD),
    **dict.fromkeys(("ssl_min_protocol_version", "ssl_max_protocol_version"), WORD),
}

_TLS: Known = {
    **dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), ANYTHING),
    "ssl_cert_reqs": _one_of("required", "optional", "none"),
    "ssl_check_hostname": SWITCH,
}

# redis-py's parameters, for the breaker's store.
REDIS: Known = {
    **_TLS,
    "db": ANYTHING,  # checked in `urls.redis`
    "client_name": WORD,
    "ssl_ca_path": ANYTHING,
    "protocol": _one_of("2", "3"),
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout", "timeout"), NUMBER),
    **dict.fromkeys(("max_connections", "health_check_interval"), WHOLE),
    **dict.fromkeys(("socket_keepalive", "retry_on_timeout"), SWITCH),
}

REDIS_SOCKET: Known = {**REDIS, "virtual_host": ANYTHING}  # As kombu writes `db`.

# kombu's parameters, by the broker's scheme. Other schemes have none.
BROKERS: Mapping[str, Known] = {"rediss": _TLS, "redis+socket": {"virtual_host": ANYTHING}}


def check_parameters(query: str, known: Known) -> None:
    """Check that a URL's parameters are among ``known``, or raise `ValueError` with what is allowed."""
    if not query:
        return
    if not known:
        raise ValueError(
            "should have nothing after a ?; in a password ? is %3F, and a password belongs before the host"
        )
    pairs = parse_qsl(query, keep_blank_values=True)
    if not all(name in known and known[name].fullmatch(value) for name, value in pairs):
        raise ValueError(
            "has something after its ? that is not allowed there; in a password ? is %3F, and a password "
            f"belongs before the host. Allowed are {', '.join(sorted(known))}"
        )
