"""Puts the parts together from the settings: the one place that knows which class serves which setting."""

from __future__ import annotations

import random
import time

from sqlalchemy import Engine

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, store_from_url
from breakwall.host.private_files import make_folder
from breakwall.payments.charging import Charger
from breakwall.payments.circuit_log import CircuitLog
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import check_schema, prepare_home
from breakwall.payments.decisions import RetryPolicy
from breakwall.payments.gateways import gateway_from_settings
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.rejections import RejectionLog
from breakwall.payments.site import check_site
from breakwall.settings import PREFIX, Settings, SettingsError
from breakwall.urls import missing_file

PAYMENT_CIRCUIT = "payment"

LEASE_MARGIN = 5.0
"""Seconds that a claim outlives the longest call: a pause of the process, and the result's transaction."""


def open_database(settings: Settings) -> Database:
    """The orders database. The embedded one is migrated on first use, any other is only checked."""

    # A file that is removed under this process is made anew for the same site: an order that is placed again then
    # is the same request as before.
    site = settings.site

    def prepare(engine: Engine) -> None:
        nonlocal site
        if settings.embedded_database:
            prepare_home(settings.home, engine, site=site)
        else:
            check_schema(engine)
        site = check_site(engine, settings.site)

    return Database(settings.database, prepare=prepare, makes_file=settings.embedded_database)


def open_breaker(settings: Settings) -> CircuitBreaker:
    """The payment service's circuit, shared by every process with the same store.

    Raises:
        SettingsError: it is in the data folder, and that is missing and cannot be made.
    """
    if settings.breaker_store_url is None and settings.embedded_database:
        _make_home(settings)
    return _circuit(settings, settings.breaker_store)


def look_at_breaker(settings: Settings) -> CircuitBreaker:
    """The same for one look, which makes no file: a circuit that is unused is shown as that."""
    return _circuit(settings, "memory://" if circuit_is_unused(settings) else settings.breaker_store)


def circuit_is_unused(settings: Settings) -> bool:
    """Whether the circuit's store is a file that its first use will make."""
    file = missing_file(settings.breaker_store) if settings.breaker_store.startswith("sqlite") else None
    return file is not None and (file.parent == settings.home or file.parent.is_dir())


def open_ledger(settings: Settings, database: Database) -> Ledger:
    """The ledger, with leases that outlive a call."""
    return Ledger(
        database,
        lease=lease_of(settings),
        account=settings.payment_account,
        keys_as_they_are=settings.payment_keys == "caller",
    )


def lease_of(settings: Settings) -> float:
    """For how many seconds a claim holds."""
    return settings.payment_timeout + LEASE_MARGIN


def policy_of(settings: Settings) -> RetryPolicy:
    """When attempts are due again, and how many there are."""
    return RetryPolicy(settings.retry.base, settings.retry.cap, settings.retry.max_attempts)


def open_charger(settings: Settings, ledger: Ledger) -> Charger:
    """What sends attempts to the configured payment service, and warns when that rejects them."""
    rejections = RejectionLog(time.monotonic)
    gateway = gateway_from_settings(settings)
    return Charger(gateway, ledger, policy_of(settings), random.random, on_answer=rejections.hear)


def log_circuit(settings: Settings, breaker: CircuitBreaker, charger: Charger, *, pause: float = 0.0) -> None:
    """Have the circuit's changes told in the log of this process, with what it saw of their cause.

    Args:
        pause: seconds between two openings that are warned of.
    """
    told = CircuitLog(time.monotonic, window=settings.breaker.window, pause=pause)
    charger.on_reply = told.answered
    breaker.listen(told.hear)


def _make_home(settings: Settings) -> None:
    try:
        make_folder(settings.home)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsError(
            [f"{PREFIX}DATA_DIR: {settings.home} cannot be made ({why}); name a folder that can be written"]
        ) from error


def _circuit(settings: Settings, store: str) -> CircuitBreaker:
    chosen = settings.breaker
    config = CircuitBreakerConfig(
        failure_threshold=chosen.failure_threshold,
        failure_rate=chosen.failure_rate,
        window=chosen.window,
        recovery_timeout=chosen.recovery_timeout,
        half_open_max_calls=chosen.half_open_max_calls,
        first_contact=chosen.first_contact,
        timeout=settings.payment_timeout,
    )
    return CircuitBreaker(PAYMENT_CIRCUIT, config, store=store_from_url(store))
