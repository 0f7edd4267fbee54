"""The actions on many orders: a bulk retry, in two steps, and its abort."""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlencode

from breakwall.payments.db.errors import SchemaError
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.preview import preview
from breakwall.payments.operator.bulk_retry.record import (
    MAX_NUMBER,
    SLOWEST,
    BulkRetries,
    BulkRetry,
    BulkRetryNotFoundError,
    check_tables,
)
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.locking import RefusedError
from breakwall.texts import text_problem
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    ActionRefusedError,
    Done,
    Fact,
    Link,
)
from breakwall.web.page.acting.action_routes import action_router, add_action
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.acting.bulk_counts import count_facts, nothing_matches
from breakwall.web.page.acting.bulk_selection import (
    WrongSelectionError,
    selection_fields,
    selection_of,
    typed_again,
)
from breakwall.web.page.acting.form_field import FieldKind, FormField
from breakwall.web.page.bulk_view import bulk_view
from breakwall.web.page.words import Words
from breakwall.web.services import Services

router = action_router()

ADDRESS = "/act/orders/retry-all"
STEP, COUNTED, BULK_ID = "step", "counted", "bulk_id"
NAME, RATE, LIMIT = "name", "rate", "limit"

_ID = re.compile("[0-9a-f]{32}")
_FASTEST = 1e6  # Orders a second.


def show_retry_all(asked: Asked) -> ActionPage:
    """First the question which orders, then what would happen to them, and the form that does it."""
    _check_tables(asked)
    return _confirm(asked) if asked.typed(STEP) == COUNTED else _question(asked)


def retry_all(asked: Asked, author: Author) -> Done:
    """Make the bulk retry; workers do the rest. The same form again leads to the same one."""
    rate, limit = _numbers(asked)
    selection, name = _selection(asked), asked.typed(NAME) or None
    try:
        made = _all(asked.services).create(
            selection, author, name=name, rate=rate, limit=limit, bulk_id=_bulk_id(asked)
        )
    except RefusedError as error:
        raise ActionRefusedError(
            asked.words.text("Nothing was done: this form has already made a bulk retry of other orders.")
        ) from error
    return Done("bulk_retry", f"/bulk-retries/{made.id}")


def show_abort(asked: Asked) -> ActionPage:
    """No more of its orders are retried."""
    words, bulk = asked.words, _open_one(asked)
    view = bulk_view(bulk, words)
    facts = (
        Fact(words.text("Bulk retry"), view.name, f"/bulk-retries/{bulk.id}"),
        Fact(words.text("Orders"), view.orders),
        Fact(words.text("Done"), view.progress),
    )
    return ActionPage(
        title=words.text("Abort the bulk retry"),
        button=words.text("Abort the bulk retry"),
        explanation=(
            words.text("No more of its orders are retried after the batch in hand."),
            words.text("What was retried stays retried."),
        ),
        facts=facts,
        back=f"/bulk-retries/{bulk.id}",
    )


def abort(asked: Asked, author: Author) -> Done:
    """End it."""
    bulk = _open_one(asked)
    try:
        _all(asked.services).abort(bulk.id, author)
    except RefusedError as error:
        raise asked.too_late() from error
    return Done("bulk_retry_abort")


def find_bulk_retry(services: Services, bulk_id: str) -> BulkRetry | None:
    """The bulk retry with this id, which may be any text; None: there is none."""
    if text_problem(bulk_id):
        return None
    try:
        return _all(services).get(bulk_id)
    except (BulkRetryNotFoundError, SchemaError):  # Before revision 0008 there is none.
        return None


def _all(services: Services) -> BulkRetries:
    return BulkRetries(services.database, clock=services.clock)


def _check_tables(asked: Asked) -> None:
    try:
        asked.services.database.read(check_tables)
    except SchemaError:
        why = asked.words.text("The orders database has no table for it yet: run `breakwall db upgrade`.")
        raise ActionImpossibleError(_title(asked.words), why, status=503) from None


def _question(asked: Asked) -> ActionPage:
    words = asked.words
    return ActionPage(
        title=_title(words),
        button=words.text("Count the orders"),
        explanation=(
            words.text("Retries all orders that match. First they are counted, and nothing is changed."),
        ),
        fields=selection_fields(asked.given, words),
        hidden={STEP: COUNTED},
        is_question=True,
    )


def _confirm(asked: Asked) -> ActionPage:
    words, selection, back = asked.words, _selection(asked), _back(asked)
    counted = (
        None if _is_made(asked) else preview(asked.services.database, selection, clock=asked.services.clock)
    )
    if counted is not None and counted.eligible == 0:
        links = (Link(back, words.text("Choose other orders")),)
        raise ActionImpossibleError(_title(words), nothing_matches(counted, words), links, back)
    return ActionPage(
        title=_title(words),
        button=words.text("Retry these orders"),
        explanation=(
            words.text("Each of them is due at once and gets a whole new budget of attempts."),
            words.text("Workers do it, oldest first. It can be watched and aborted."),
            words.text("While the queue is paused, they wait for the end of the pause."),
        ),
        facts=tuple(count_facts(selection, counted, words)),
        fields=_fields(words),
        hidden={**typed_again(asked.given), STEP: COUNTED, BULK_ID: _bulk_id(asked)},
        back=back,
    )


def _fields(words: Words) -> tuple[FormField, ...]:
    say = words.text
    faster = say("Orders a second at most; empty: as fast as the database allows.")
    return (
        FormField(
            name=RATE, label=say("Rate"), kind=FieldKind.NUMBER, help=faster, required=False, most=_FASTEST
        ),
        FormField(
            name=LIMIT,
            label=say("How many"),
            kind=FieldKind.NUMBER,
            help=say("Only the oldest so many; empty: all."),
            required=False,
            most=MAX_NUMBER,
            whole=True,
        ),
        FormField(
            name=NAME,
            label=say("Name"),
            help=say("Such as the incident’s; empty: the reason and the time."),
            required=False,
        ),
    )


def _selection(asked: Asked) -> Selection:
    try:
        return selection_of(asked.given, asked.words)
    except WrongSelectionError as error:
        links = (Link(_back(asked), asked.words.text("Choose other orders")),)
        raise ActionImpossibleError(_title(asked.words), str(error), links, ADDRESS, 422) from error


def _numbers(asked: Asked) -> tuple[float | None, int | None]:
    """The rate and the limit. Raises `ActionRefusedError`."""
    rate, limit = asked.typed(RATE), asked.typed(LIMIT)
    problems = {}
    if rate and float(rate) < SLOWEST:
        problems[RATE] = asked.words.text("It should be at least %(least)s.", least=f"{SLOWEST:g}")
    if problems:
        raise asked.wrong(problems)
    return float(rate) if rate else None, int(float(limit)) if limit else None


def _bulk_id(asked: Asked) -> str:
    """The one that the form was given, so that a form that is sent twice makes one bulk retry."""
    sent = asked.typed(BULK_ID)
    return sent if _ID.fullmatch(sent) else uuid.uuid4().hex


def _is_made(asked: Asked) -> bool:
    sent = asked.typed(BULK_ID)
    return bool(sent) and find_bulk_retry(asked.services, sent) is not None


def _back(asked: Asked) -> str:
    """The question, with what was typed."""
    return f"{ADDRESS}?{urlencode(typed_again(asked.given))}"


def _title(words: Words) -> str:
    return words.text("Retry many orders")


def _open_one(asked: Asked) -> BulkRetry:
    words, bulk_id = asked.words, asked.path["bulk_id"]
    bulk, title = find_bulk_retry(asked.services, bulk_id), words.text("Abort the bulk retry")
    if bulk is None:
        why = words.text("No bulk retry has the id “%(id)s”. The whole id is needed.", id=bulk_id)
        raise ActionImpossibleError(title, why, status=404)
    if bulk.has_ended:
        view = bulk_view(bulk, words)
        why = f"{view.meaning} {view.ended or ''}".rstrip()
        raise ActionImpossibleError(title, why, back=f"/bulk-retries/{bulk.id}")
    return bulk


add_action(router, ADDRESS, show_retry_all, retry_all)
add_action(router, "/act/bulk-retries/{bulk_id}/abort", show_abort, abort)
