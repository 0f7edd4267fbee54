"""Checks the store that the circuit is shared through."""

from breakwall.breaker import MemoryStore, store_from_url
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.settings import Settings
from breakwall.urls.address import where
from breakwall.wiring import PAYMENT_CIRCUIT, circuit_is_unused

NAME = "breaker store"


def breaker_store(settings: Settings) -> list[Finding]:
    """Whether the store answers."""
    if circuit_is_unused(settings):
        place = "beside the orders" if settings.breaker_store_url is None else where(settings.breaker_store)
        return [fine(NAME, f"{place}, made on first use")]
    address = where(settings.breaker_store)
    store = store_from_url(settings.breaker_store)
    if isinstance(store, MemoryStore):
        return [fine(NAME, "memory: every process has a circuit of its own")]
    try:
        store.load(PAYMENT_CIRCUIT)
    except Exception as error:  # a store may raise anything; its text may hold a URL
        advice = f"Check {settings.breaker_store_setting}; until then every process judges on its own."
        return [problem(NAME, f"{address} does not answer ({type(error).__name__})", advice)]
    finally:
        store.close()
    return [fine(NAME, f"{address} answers")]
