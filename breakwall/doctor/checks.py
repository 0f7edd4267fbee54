"""Which checks the settings call for."""

from collections.abc import Callable
from functools import partial

from breakwall.broker.config import is_amqp
from breakwall.doctor.breaker_store import breaker_store
from breakwall.doctor.broker import broker
from breakwall.doctor.database import database
from breakwall.doctor.findings import Check, Finding
from breakwall.doctor.machine import data_folder, environment, libraries, python
from breakwall.doctor.payment_service import payment_service
from breakwall.doctor.retention import retention
from breakwall.doctor.strange_messages import dead_letters
from breakwall.doctor.workers import workers
from breakwall.settings import Settings


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
        "retention": retention,
        "workers": workers,
        "environment": environment,
    }
    return {"python": python, **{name: partial(check, settings) for name, check in checks.items()}}
