"""What the doctor looks at, one function for each thing."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
import uuid
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from breakwall.doctor.addresses import where
from breakwall.doctor.embedded_broker import embedded_broker
from breakwall.doctor.findings import Check, Finding
from breakwall.settings import Settings

PAYMENT_PATIENCE = 4.0
"""Seconds for the payment service's answer: a healthy one needs far less, and a person waits for it."""

OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING, which the ledger uses."""

_CREDENTIALS = "BREAKWALL_PAYMENT_TOKEN, …_HEADERS, or the user in BREAKWALL_PAYMENT_URL"

REFUSED = {
    "http_401": _CREDENTIALS,
    "http_403": _CREDENTIALS,
    "http_407": "the user in BREAKWALL_PAYMENT_PROXY",
    "CertificateRefusedError": "BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE",
}
"""By the answer's code, where we are asked to say who we are."""

OF_A_REAL_SITE = {
    "database_url",
    "broker_url",
    "payment_url",
    "payment_token",
    "payment_token_file",
    "payment_headers",
    "payment_ca_file",
    "payment_cert_file",
    "payment_key_file",
    "payment_proxy",
    "payment_account",
}
"""Settings that nobody makes who only tries things out."""

LIBRARIES = (
    "celery",
    "kombu",
    "sqlalchemy",
    "alembic",
    "httpx2",
    "pydantic",
    "redis",
    "typer",
    "rich",
    "structlog",
)


def checks_for(settings: Settings) -> dict[str, Check]:
    """Every check that these settings call for, by name."""
    from breakwall.broker.config import is_amqp
    from breakwall.doctor.database import database
    from breakwall.doctor.retention import retention
    from breakwall.doctor.strange_messages import dead_letters
    from breakwall.doctor.workers import work

    looks: dict[str, Callable[[Settings], list[Finding]]] = {
        "libraries": libraries,
        "data folder": data_folder,
        "database": database,
        "broker": broker,
        **({"dead letters": dead_letters} if is_amqp(settings) else {}),
        "breaker store": breaker_store,
        "payment service": payment_service,
        "retention": retention,
        "workers": work,
        "environment": environment,
    }
    return {"python": python, **{name: partial(look, settings) for name, look in looks.items()}}


def python() -> list[Finding]:
    """Python's version, and that of the SQLite in it."""
    shown = f"{platform.python_version()} on {platform.system()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return [Finding("python", False, shown, "SQLite 3.35 or newer is needed.")]
    return [Finding("python", True, shown)]


def libraries(settings: Settings) -> list[Finding]:
    """The libraries that are always needed, and the ones that these settings need."""
    wanted = [*LIBRARIES, *(["psycopg"] if _uses_psycopg(settings) else [])]
    found, missing = [], []
    for name in wanted:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if not missing:
        return [Finding("libraries", True, ", ".join(found))]
    extra = "pip install 'breakwall[postgres]'" if missing == ["psycopg"] else "pip install breakwall"
    return [Finding("libraries", False, f"missing: {', '.join(missing)}", f"Run {extra}.")]


def data_folder(settings: Settings) -> list[Finding]:
    """Whether the embedded database and broker can be kept where they belong."""
    name, home = "data folder", settings.home
    if not (settings.embedded_database or settings.embedded_broker):
        return [Finding(name, True, "not used by these settings")]
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        advice = "Set BREAKWALL_DATA_DIR to a folder that this user may write to."
        return [Finding(name, False, f"{there} is no folder that can be written to", advice)]
    made = "" if there == home else ", made on first use"
    return [Finding(name, True, f"{home}{made}")]


def broker(settings: Settings) -> list[Finding]:
    """The broker: the embedded one's program, or the configured one's answer."""
    from breakwall.broker import (
        BrokerRefusesError,
        WrongQueueError,
        check_queue,
        check_writing,
        queue_depth,
    )

    if settings.embedded_broker:
        return embedded_broker(settings)
    try:
        check_queue(settings)
        check_writing(settings)
    except WrongQueueError as error:
        what, _, advice = str(error).partition(". ")
        return [Finding("broker", False, f"{where(settings.broker)}: {what}", f"{advice}.")]
    except BrokerRefusesError as error:
        told = f"{where(settings.broker)}: the broker refuses: {error}"
        return [Finding("broker", False, told, error.advice)]
    depth = queue_depth(settings)
    if depth is None:
        advice = "Check BREAKWALL_BROKER_URL and that the broker runs; until then orders wait safely."
        return [Finding("broker", False, f"{where(settings.broker)} does not answer", advice)]
    return [Finding("broker", True, f"{where(settings.broker)} answers; {depth:,} messages wait")]


def breaker_store(settings: Settings) -> list[Finding]:
    """Where the circuit is shared."""
    from breakwall.breaker import MemoryStore, store_from_url
    from breakwall.wiring import PAYMENT_CIRCUIT, circuit_is_unused

    name = "breaker store"
    if circuit_is_unused(settings):
        place = "beside the orders" if settings.breaker_store_url is None else where(settings.breaker_store)
        return [Finding(name, True, f"{place}, made on first use")]
    store = store_from_url(settings.breaker_store)
    if isinstance(store, MemoryStore):
        return [Finding(name, True, "memory: every process has a circuit of its own")]
    try:
        store.load(PAYMENT_CIRCUIT)
    except Exception as error:  # a store may raise anything; its text may hold a URL
        advice = f"Check {settings.breaker_store_setting}; until then every process judges on its own."
        what = f"{where(settings.breaker_store)} does not answer ({type(error).__name__})"
        return [Finding(name, False, what, advice)]
    finally:
        store.close()
    return [Finding(name, True, f"{where(settings.breaker_store)} answers")]


def environment(settings: Settings) -> list[Finding]:
    """Celery's own variables, which Breakwall does not obey. Named only: their values hold passwords."""
    from breakwall.broker.celery_environment import ENDS_CELERY, foreign_variables

    if os.environ.get(ENDS_CELERY):
        told = f"{ENDS_CELERY} is set, with which Celery cannot be imported: no message is sent"
        return [Finding("environment", False, told, f"Unset {ENDS_CELERY}.")]
    found = foreign_variables(os.environ)
    shown = (
        f"ignored, for they are Celery's own: {', '.join(found)}" if found else "no variables of Celery's own"
    )
    return [Finding("environment", True, shown)]


def payment_service(settings: Settings) -> list[Finding]:
    """Asks the payment service for a charge that cannot exist: an answer without charging anybody."""
    from breakwall.payments.gateways import LookUpResult, gateway_from_settings

    name, address = "payment service", where(settings.payment_url.get_secret_value())
    if settings.payment_proxy is not None:
        address = f"{address} through {where(settings.payment_proxy.get_secret_value())}"
    try:
        gateway = gateway_from_settings(settings)
    except ValueError as error:  # a file changed since the settings were read
        return [Finding(name, False, f"a file for {address} {error}", "Check BREAKWALL_PAYMENT_…_FILE.")]
    try:
        patience = min(PAYMENT_PATIENCE, settings.payment_timeout)
        answer = gateway.look_up(f"breakwall-doctor-{uuid.uuid4()}", deadline=time.monotonic() + patience)
    finally:
        gateway.close()
    if answer.result is LookUpResult.ABSENT:
        return [Finding(name, True, f"{address} answers")]
    told = f"{address}: {answer.detail or answer.code or answer.result}"
    return [Finding(name, False, told, _payment_advice(settings, answer.code))]


def _payment_advice(settings: Settings, code: str | None) -> str:
    if code in REFUSED:
        return f"Check {REFUSED[code]}."
    if "payment_url" not in settings.model_fields_set:
        trial = " or run `breakwall simulator` to try things out" if _is_a_trial(settings) else ""
        return f"Set BREAKWALL_PAYMENT_URL{',' if trial else ''}{trial}."
    advice = "Check BREAKWALL_PAYMENT_URL and that the service runs"
    if code in {"ReadError", "WriteError"} and settings.payment_url.get_secret_value().startswith("https:"):
        # Many servers reset the connection so soon that their alert is lost.
        return f"{advice}, and whether it wants a certificate of ours: BREAKWALL_PAYMENT_CERT_FILE."
    return f"{advice}."


def _is_a_trial(settings: Settings) -> bool:
    """Whether nothing that is set belongs to a real site: none is ever told to run a simulator."""
    return not settings.model_fields_set & OF_A_REAL_SITE


def _uses_psycopg(settings: Settings) -> bool:
    urls = (settings.database, settings.breaker_store)
    return any(url.startswith(("postgresql://", "postgresql+psycopg://")) for url in urls)
