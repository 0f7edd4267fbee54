"""Checks the ways to the shop, without sending anything."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from urllib.parse import urlsplit

from breakwall.broker.errors import explain
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.fleet.workers import Worker, live_workers
from breakwall.payments.gateways.transport.resolver import Resolver
from breakwall.payments.outcomes.addresses import PrivateAddressError, PublicResolver
from breakwall.payments.outcomes.holds import DestinationHold, HeldBy
from breakwall.payments.outcomes.operator import Waiting, workers_with
from breakwall.payments.outcomes.schedule import TAKEN_WITHIN
from breakwall.settings import PREFIX, Settings
from breakwall.terminal.words import count
from breakwall.urls.databases import missing_file
from breakwall.wiring import load_listener, open_task_sender, waiting_outcomes

NAME = "outcomes"
RESOLVE = 4.0  # Seconds for the webhook's name.
SHOWN = 3  # Workers that are named.


def outcomes(settings: Settings) -> list[Finding]:
    """Whether each way to the shop can work: the webhook's address, the task's queue, the listener's code."""
    chosen = settings.outcomes
    if not chosen.is_used:
        waiting = _undelivered(settings)
        detail = "no way to the shop is configured here" if waiting else "nobody is told how orders end"
        return [fine(NAME, detail, f"docs/outcomes.md says how: {PREFIX}OUTCOMES__…"), *waiting]
    found = [*_webhook(settings), *_task(settings), *_listener(settings)]
    return [*found, *_undelivered(settings)]


def _webhook(settings: Settings) -> list[Finding]:
    chosen = settings.outcomes
    if chosen.webhook_url is None:
        return []
    parts = urlsplit(chosen.webhook_url.get_secret_value())
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    resolver = Resolver() if chosen.allow_private else PublicResolver()
    variable = f"{PREFIX}OUTCOMES__WEBHOOK_URL"
    try:
        resolver.resolve(host, port, timeout=RESOLVE)
    except PrivateAddressError:
        advice = f"Correct {variable}, or set {PREFIX}OUTCOMES__ALLOW_PRIVATE=true."
        return [problem(NAME, "the webhook's address is private, so nothing is sent to it", advice)]
    except OSError as error:
        return [
            problem(
                NAME, f"the webhook's name does not resolve ({type(error).__name__})", f"Check {variable}."
            )
        ]
    finally:
        resolver.close()
    return [fine(NAME, "the webhook's name resolves; nothing was sent")]


def _task(settings: Settings) -> list[Finding]:
    if (sender := open_task_sender(settings)) is None:
        return []
    try:
        missing = sender.check()
    except Exception as error:  # whatever the broker does
        detail = f"the task's broker does not answer ({explain(error)})"
        return [problem(NAME, detail, f"Check {PREFIX}OUTCOMES__BROKER_URL.")]
    finally:
        sender.close()
    if missing is not None:
        return [problem(NAME, "the task's queue is not there", f"{missing[0].upper()}{missing[1:]}.")]
    return [fine(NAME, "the task's queue is there")]


def _listener(settings: Settings) -> list[Finding]:
    if settings.outcomes.listener is None:
        return []
    try:
        load_listener(settings.outcomes.listener)
    except ValueError as error:
        return [problem(NAME, f"the listener {error}", f"Correct {PREFIX}OUTCOMES__LISTENER, or PYTHONPATH.")]
    return [fine(NAME, "the listener can be loaded")]


def _undelivered(settings: Settings) -> list[Finding]:
    """What waits, and what is wrong with a destination. Whether the database answers is another check's."""
    if missing_file(settings.database):
        return []
    try:
        with closing(Database(settings.database)) as opened:
            waiting, held = waiting_outcomes(settings, opened)
            fleet = opened.read(partial(live_workers, clock=DATABASE_CLOCK))
    except DatabaseUnavailableError:
        return []
    return [
        *judge(waiting, held, fleet, settings.outcomes.ways),
        *nobody_delivers(fleet, settings.outcomes.ways),
    ]


def judge(
    waiting: Sequence[Waiting],
    held: Mapping[str, DestinationHold],
    fleet: Sequence[Worker],
    ours: Sequence[str],
) -> list[Finding]:
    """What is wrong with each destination, and how many outcomes wait.

    ``fleet``: the live workers; ``ours``: the ways that are configured here.
    """
    found, number = list[Finding](), 0
    for one in waiting:
        elsewhere = workers_with(fleet, one.destination)
        if one.destination not in ours and not elsewhere:
            found.append(_removed(one, fleet))
            continue
        number += one.count
        if one.untaken and (names := workers_with(_had_time(fleet), one.destination)):
            found.append(_untaken(one, names))
        elif one.destination in held:
            found.append(_held(one, held[one.destination]))
        elif one.late:
            found.append(_late(one))
        elif one.destination not in ours:
            found.append(_elsewhere(one, elsewhere))
    if ours and all(finding.ok for finding in found):
        advice = "`breakwall outcomes list` shows them." if number else ""
        found.append(fine(NAME, _wait(number), advice))
    return found


def _had_time(fleet: Sequence[Worker]) -> list[Worker]:
    """Those that had the time to take what waited when they started."""
    return [worker for worker in fleet if worker.up_seconds >= TAKEN_WITHIN]


def nobody_delivers(fleet: Sequence[Worker], ours: Sequence[str]) -> list[Finding]:
    """Ways that are configured here, and that no live worker has. Nothing is said if one does not report its ways."""
    if not fleet or any(worker.ways is None for worker in fleet):
        return []
    return [
        problem(
            NAME,
            f"the {name} is configured here, but no live worker has it, so nobody delivers to it",
            "Set it in the workers' environment, too, and restart them.",
        )
        for name in ours
        if not workers_with(fleet, name)
    ]


def _elsewhere(waiting: Waiting, names: Sequence[str]) -> Finding:
    detail = f"{_wait(waiting.count)} for the {waiting.destination}, which is not configured here"
    advice = f"The newest failure: {waiting.last_error}." if waiting.last_error else ""
    return fine(NAME, f"{detail}; the {_workers(names)} it", advice)


def _workers(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"{'worker' if len(names) == 1 else 'workers'} {shown} {'has' if len(names) == 1 else 'have'}"


def _wait(number: int) -> str:
    return f"{count(number, 'outcome')} {'waits' if number == 1 else 'wait'}"


def _removed(waiting: Waiting, fleet: Sequence[Worker]) -> Finding:
    name = waiting.destination
    known = fleet and all(worker.ways is not None for worker in fleet)
    who = "and no live worker has it" if known else "and it is not known whether a worker has it"
    detail = f"outcomes go to the {name}, which is not configured here, {who}: {waiting.count:,} wait"
    advice = (
        f"If it is still wanted, start a worker with its setting. If it was removed from every worker for good, "
        f"`breakwall outcomes forget {name}` gives up what waits."
    )
    return problem(NAME, detail, advice) if waiting.count else fine(NAME, detail, advice)


def _held(waiting: Waiting, hold: DestinationHold) -> Finding:
    why = f"; the newest failure: {waiting.last_error}" if waiting.last_error else ""
    if hold.by is HeldBy.GONE:
        advice = f"Set another {PREFIX}OUTCOMES__WEBHOOK_URL, or `breakwall outcomes enable {waiting.destination}`."
        return problem(
            NAME, f"the {waiting.destination} has answered 410 Gone: {_wait(waiting.count)}", advice
        )
    advice = "Correct the shop's side: deliveries then continue. `breakwall outcomes list` shows what waits."
    return problem(NAME, f"{hold}{why}; {_wait(waiting.count)}", advice)


def _untaken(waiting: Waiting, names: Sequence[str]) -> Finding:
    """Before what holds the destination: nobody makes the try that a circuit waits for."""
    number = count(waiting.untaken, "outcome")
    detail = f"no worker has taken {number} for the {waiting.destination} for more than a minute"
    advice = "Read the workers' log: it says why their process that delivers outcomes does not run."
    return problem(NAME, f"{detail}, although the {_workers(names)} this way", advice)


def _late(waiting: Waiting) -> Finding:
    detail = f"{_wait(waiting.count)} for the {waiting.destination}, the oldest for more than an hour"
    return problem(NAME, detail, "`breakwall outcomes list` shows them, and why they were not taken.")
