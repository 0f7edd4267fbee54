"""Builds the parts of a process from its settings."""

import random
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from functools import partial

from sqlalchemy import Engine

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitBreakerConfig, store_from_url
from breakwall.broker.errors import explain
from breakwall.broker.shop_task import TaskSender
from breakwall.gateway_names import CONFIGURED
from breakwall.host.dotted_paths import load_callable
from breakwall.host.private_files import make_folder
from breakwall.payments.charging import Charger
from breakwall.payments.circuit_log import CircuitLog
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import prepare_data_folder
from breakwall.payments.db.revisions import check_schema
from breakwall.payments.gateways import gateway_from_settings
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.traces import trace_of
from breakwall.payments.outcomes.channel import CIRCUIT, Channel, circuit_name
from breakwall.payments.outcomes.delivering import Delivering, register_ways
from breakwall.payments.outcomes.destination import Destination
from breakwall.payments.outcomes.holds import DestinationHold, holds
from breakwall.payments.outcomes.listener import ListenerDestination
from breakwall.payments.outcomes.operator import Waiting, waiting_for
from breakwall.payments.outcomes.task import TaskDestination
from breakwall.payments.outcomes.webhook import WebhookDestination, endpoint_of
from breakwall.payments.rejections import RejectionLog
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.payments.site import check_site
from breakwall.settings import PREFIX, WAYS, OutcomeSettings, Settings, SettingsError
from breakwall.urls.databases import missing_file
from breakwall.webhook_secrets import SecretsFile, parse_secrets

PAYMENT_CIRCUIT = CONFIGURED.circuit

# Seconds that a claim lasts longer than the longest call, for a pause of the process and the result's transaction.
LEASE_MARGIN = 5.0


def open_database(settings: Settings, *, ways: Collection[str] = ()) -> Database:
    """The orders database. The embedded one is migrated at its first use, any other one is only checked.

    ``ways``: these ways to the shop are registered at the first use, so before this process ends an order.
    """
    # If the file is removed while it is in use, the new file gets the same site. An order that is placed again is then
    # the same request as before.
    site = settings.site

    def prepare(engine: Engine) -> None:
        nonlocal site
        if settings.embedded_database:
            prepare_data_folder(settings.home, engine, site=site)
        else:
            check_schema(engine)
        site = check_site(engine, settings.site)
        if ways:
            register_ways(engine, ways)

    return Database(settings.database, prepare=prepare, makes_file=settings.embedded_database)


def open_breaker(settings: Settings) -> CircuitBreaker:
    """The payment service's circuit, shared by all processes with the same store.

    Raises `SettingsError` if its store is in the data folder, which is missing and cannot be made.
    """
    if settings.breaker_store_url is None and settings.embedded_database:
        _make_home(settings)
    return _circuit(settings, settings.breaker_store)


def inspect_breaker(settings: Settings) -> CircuitBreaker:
    """The same for display only: no file is made, and a circuit without a file is shown as unused."""
    return _circuit(settings, "memory://" if circuit_is_unused(settings) else settings.breaker_store)


def circuit_is_unused(settings: Settings) -> bool:
    """Whether the circuit's store is a file that its first use will make."""
    file = missing_file(settings.breaker_store) if settings.breaker_store.startswith("sqlite") else None
    return file is not None and (file.parent == settings.home or file.parent.is_dir())


def open_ledger(settings: Settings, database: Database) -> Ledger:
    """The ledger of the orders database."""
    return Ledger(
        database,
        lease=lease_seconds(settings),
        account=settings.payment_account,
        send_caller_keys=settings.payment_keys == "caller",
        gateway=settings.gateway_name,
    )


def lease_seconds(settings: Settings) -> float:
    """Seconds until a claim expires: longer than a call."""
    return settings.payment_timeout + LEASE_MARGIN


def retry_policy(settings: Settings) -> RetryPolicy:
    """The times of an order's next attempts, and their number."""
    return RetryPolicy(settings.retry.base, settings.retry.cap, settings.retry.max_attempts)


def open_charger(settings: Settings, ledger: Ledger) -> Charger:
    """Sends attempts to the payment service, and logs a warning if it rejects them.

    Raises `SettingsError` if its gateway cannot be made.
    """
    rejections = RejectionLog(time.monotonic)
    gateway = gateway_from_settings(settings)
    return Charger(
        gateway, ledger, retry_policy(settings), random.random, on_recorded=rejections.record_answer
    )


def log_circuit(settings: Settings, breaker: CircuitBreaker, charger: Charger, *, pause: float = 0.0) -> None:
    """Log the circuit's changes, with their cause as far as this process knows it.

    ``pause``: seconds between two openings that are logged as warnings.
    """
    log = CircuitLog(time.monotonic, window=settings.breaker.window, pause=pause)
    charger.on_received = log.record_answer
    breaker.listen(log.on_event)


def open_delivering(
    settings: Settings, database: Database, *, ways: Collection[str] = tuple(WAYS)
) -> Delivering | None:
    """Delivers outcomes by those of ``ways`` that the settings have; None without any.

    Raises `SettingsError` if the listener cannot be loaded.
    """
    store = store_from_url(settings.breaker_store) if settings.outcomes.is_used else None
    channels = [
        Channel(
            destination,
            CircuitBreaker(circuit_name(destination.name), CIRCUIT, store=store),
            trace_of=partial(trace_of, database),
        )
        for destination in open_destinations(settings, ways)
    ]
    return Delivering(database, channels) if channels else None


def open_destinations(settings: Settings, ways: Collection[str]) -> list[Destination]:
    """Those of ``ways`` that are configured. Nothing is connected yet. Raises `SettingsError` as above."""
    chosen, found = settings.outcomes, list[Destination]()
    if "webhook" in ways and chosen.webhook_url is not None:
        url = chosen.webhook_url.get_secret_value()
        found.append(WebhookDestination(url, _webhook_secrets(chosen), allow_private=chosen.allow_private))
    if "task" in ways and (sender := open_task_sender(settings)) is not None:
        found.append(TaskDestination(sender.send, explain, sender.close))
    if "listener" in ways and chosen.listener is not None:
        try:
            found.append(load_listener(chosen.listener))
        except ValueError as error:
            raise SettingsError([f"{PREFIX}OUTCOMES__LISTENER: {error}"]) from error
    return found


def _webhook_secrets(chosen: OutcomeSettings) -> Callable[[], list[bytes]]:
    if (path := chosen.webhook_secret_file) is not None:
        try:
            return SecretsFile(path)
        except ValueError as error:  # it was changed since the settings were read
            raise SettingsError([str(error)]) from error
    given = "" if chosen.webhook_secret is None else chosen.webhook_secret.get_secret_value()
    secrets = parse_secrets(given)
    return lambda: secrets


def waiting_outcomes(
    settings: Settings, database: Database
) -> tuple[list[Waiting], dict[str, DestinationHold]]:
    """What waits for each destination, and by destination what holds it. For display only: no file is made.

    A circuit whose store does not answer counts as closed.
    """
    url = settings.outcomes.webhook_url
    endpoints = {} if url is None else {"webhook": endpoint_of(url.get_secret_value())}
    waiting = database.read(lambda connection: waiting_for(connection, endpoints=endpoints))
    return waiting, holds(waiting, _destination_circuits(settings, [one.destination for one in waiting]))


def _destination_circuits(settings: Settings, names: Iterable[str]) -> dict[str, BreakerStatus]:
    if circuit_is_unused(settings):
        return {}
    found = {}
    for name in names:
        store = store_from_url(settings.breaker_store)
        with closing(CircuitBreaker(circuit_name(name), CIRCUIT, store=store)) as breaker:
            found[name] = breaker.status()
    return found


def load_listener(path: str) -> ListenerDestination:
    """The shop's callable. Raises `ValueError` with a sentence's end that says what is wrong with it."""
    return ListenerDestination(load_callable(path))


def open_task_sender(settings: Settings) -> TaskSender | None:
    """Publishes to the shop's task; None without one."""
    chosen = settings.outcomes
    if chosen.task is None or chosen.broker_url is None:
        return None
    return TaskSender(settings, chosen.broker_url.get_secret_value(), chosen.task, chosen.task_queue)


def _make_home(settings: Settings) -> None:
    try:
        make_folder(settings.home)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsError(
            [f"{PREFIX}DATA_DIR: {settings.home} cannot be made ({why}); name a folder that can be written"]
        ) from error


def _circuit(settings: Settings, store: str) -> CircuitBreaker:
    chosen = {"adaptive_limit": True} | settings.breaker.model_dump()
    config = CircuitBreakerConfig(**chosen, timeout=settings.payment_timeout)
    return CircuitBreaker(PAYMENT_CIRCUIT, config, store=store_from_url(store))
