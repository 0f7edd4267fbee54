"""Checks the ways to the shop, without sending anything."""

from contextlib import closing
from urllib.parse import urlsplit

from breakwall.broker.errors import explain
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.gateways.transport.resolver import Resolver
from breakwall.payments.outcomes.addresses import PrivateAddressError, PublicResolver
from breakwall.payments.outcomes.operator import Waiting, waiting_for
from breakwall.settings import PREFIX, Settings
from breakwall.urls.databases import missing_file
from breakwall.wiring import load_listener, open_task_sender

NAME = "outcomes"
RESOLVE = 4.0  # Seconds for the webhook's name.


def outcomes(settings: Settings) -> list[Finding]:
    """Whether each way to the shop can work: the webhook's address, the task's queue, the listener's code."""
    chosen = settings.outcomes
    if not chosen.is_used:
        nobody = fine(
            NAME, "nobody is told how orders end", f"docs/outcomes.md says how: {PREFIX}OUTCOMES__…"
        )
        return [nobody, *_undelivered(settings)]
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
            waiting = opened.read(waiting_for)
    except DatabaseUnavailableError:
        return []
    ours = _configured(settings)
    used = [one for one in waiting if one.destination in ours]
    found = [_removed(one) for one in waiting if one.destination not in ours]
    found += [_gone(one) if one.gone else _late(one) for one in used if one.gone or one.late]
    number = sum(one.count for one in used)
    if ours and all(finding.ok for finding in found):
        advice = "`breakwall outcomes list` shows them." if number else ""
        found.append(fine(NAME, f"{number:,} outcomes wait", advice))
    return found


def _configured(settings: Settings) -> set[str]:
    chosen = settings.outcomes
    ways = {"webhook": chosen.webhook_url, "task": chosen.task, "listener": chosen.listener}
    return {name for name, value in ways.items() if value}


def _removed(waiting: Waiting) -> Finding:
    name = waiting.destination
    detail = f"outcomes go to the {name}, which is not configured here: {waiting.count:,} wait"
    advice = (
        f"If no worker has it any more, `breakwall outcomes forget {name}`; otherwise configure it here, too."
    )
    return problem(NAME, detail, advice) if waiting.count else fine(NAME, detail, advice)


def _gone(waiting: Waiting) -> Finding:
    name = waiting.destination
    detail = f"the {name} has answered 410 Gone: {waiting.count:,} outcomes wait"
    advice = f"Set another {PREFIX}OUTCOMES__WEBHOOK_URL, or `breakwall outcomes enable {name}`."
    return problem(NAME, detail, advice)


def _late(waiting: Waiting) -> Finding:
    detail = (
        f"{waiting.count:,} outcomes wait for the {waiting.destination}, the oldest for more than an hour"
    )
    return problem(NAME, detail, "`breakwall outcomes list` shows them, and why they were not taken.")
