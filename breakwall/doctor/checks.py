"""The table of all checks, and two small ones: the circuit's store, and how long orders are kept."""

from collections.abc import Callable
from functools import partial
from math import ceil

from breakwall.breaker import MemoryStore, store_from_url
from breakwall.broker.config import is_amqp
from breakwall.doctor.broker import broker
from breakwall.doctor.certificate import certificate
from breakwall.doctor.database import database
from breakwall.doctor.findings import Check, Finding, fine, problem
from breakwall.doctor.machine import data_folder, environment, libraries, python
from breakwall.doctor.outcomes import outcomes
from breakwall.doctor.payment_service import payment_service
from breakwall.doctor.strange_messages import dead_letters
from breakwall.doctor.workers import workers
from breakwall.settings import DAY, Settings
from breakwall.urls.address import where
from breakwall.wiring import PAYMENT_CIRCUIT, circuit_is_unused

MOST_DAYS = 36_500  # The maximum of BREAKWALL_RETENTION__KEYS_DAYS.


def checks_for(settings: Settings) -> dict[str, Check]:
    """Every check that these settings call for, by name."""
    checks: dict[str, Callable[[Settings], list[Finding]]] = {
        "libraries": libraries,
        "data folder": data_folder,
        "database": database,
        "broker": broker,
        **({"dead letters": dead_letters} if is_amqp(settings) else {}),
        "breaker store": breaker_store,
        "payment service": payment_service,
        **({"certificate": certificate} if settings.payment_cert_file else {}),
        "retention": retention,
        "outcomes": outcomes,
        "workers": workers,
        "environment": environment,
    }
    return {"python": python, **{name: partial(check, settings) for name, check in checks.items()}}


def breaker_store(settings: Settings) -> list[Finding]:
    """Whether the store answers that the processes share the circuit through."""
    name, address = "breaker store", where(settings.breaker_store)
    if circuit_is_unused(settings):
        place = "beside the orders" if settings.breaker_store_url is None else address
        return [fine(name, f"{place}, made on first use")]
    store = store_from_url(settings.breaker_store)
    if isinstance(store, MemoryStore):
        return [fine(name, "memory: every process has its own circuit")]
    try:
        store.load(PAYMENT_CIRCUIT)
    except Exception as error:  # a store may raise anything; its text may hold a URL
        advice = f"Check {settings.breaker_store_setting}; until then every process uses a local circuit."
        return [problem(name, f"{address} does not answer ({type(error).__name__})", advice)]
    finally:
        store.close()
    return [fine(name, f"{address} answers")]


def retention(settings: Settings) -> list[Finding]:
    """If orders are pruned: whether we keep their keys for as long as the payment service does."""
    name, chosen = "retention", settings.retention
    if chosen.days is None:
        return [fine(name, "off: all orders stay")]
    kept = f"orders stay for {chosen.days} days after they finish, their keys for {chosen.keys_days}"
    remembered = ceil(min(settings.payment_key_life / DAY, MOST_DAYS))
    if remembered <= chosen.keys_days:
        return [fine(name, kept)]
    detail = (
        f"{kept}; the payment service remembers keys for {remembered} (BREAKWALL_PAYMENT_KEY_LIFE). So an old "
        "charge can pay a new order that has the same key"
    )
    return [problem(name, detail, f"Set BREAKWALL_RETENTION__KEYS_DAYS={remembered} at least.")]
