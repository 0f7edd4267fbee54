"""The actions on one order: retry, cancel, and what a person has found out at the payment service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Action, Author
from breakwall.payments.ledger.queries import OrderNotFoundError, OrderPrunedError
from breakwall.payments.operator.locking import (
    ChargeTakenError,
    KeyConflictError,
    MayHaveChargedError,
    OtherGatewayError,
    RefusedError,
)
from breakwall.payments.operator.resolve import InvalidChargeError
from breakwall.web.orders import actions
from breakwall.web.orders.actions import OrderNow
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    ActionRefusedError,
    Done,
    Fact,
    version_of,
)
from breakwall.web.page.acting.action_routes import action_router, add_action
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.acting.form_field import FieldKind, FormField
from breakwall.web.page.acting.order_links import PATHS, order_links
from breakwall.web.page.labels import MEANINGS, ORDER_ACTIONS, STATES, label
from breakwall.web.page.words import Words

router = action_router()

NEW_KEY, EVIDENCE, CHARGE = "new_key", "evidence", "charge_id"


def show_retry(asked: Asked) -> ActionPage:
    """Due at once, with a whole new budget of attempts."""
    now, say = _order(asked, Action.RETRY), asked.words.text
    explanation = [
        say("The order is due at once and gets a whole new budget of attempts."),
        say("If it may have been charged, a worker looks it up before it sends anything, where it can."),
    ]
    if DrainControl(asked.services.database, clock=asked.services.clock).read().paused is not None:
        explanation.append(say("The queue is paused: this order is worked on nevertheless."))
    fields = () if now.may_have_charged else _key_fields(asked.words)
    return _page(asked, now, Action.RETRY, tuple(explanation), fields)


def retry(asked: Asked, author: Author) -> Done:
    """Retry it; under a new key, if there is evidence that nothing was charged."""
    now, evidence = _order(asked, Action.RETRY), _evidence(asked)
    with _refusals(asked):
        retried = actions.retry(asked.services, now.order, author, evidence)
    return Done(f"retry_{retried.outlook}")


def show_cancel(asked: Asked) -> ActionPage:
    """At once, or when it is proven that nothing was charged."""
    now, say = _order(asked, Action.CANCEL), asked.words.text
    explanation = (
        say("The order is cancelled at once if none of its attempts may have charged."),
        say("Otherwise the request is recorded. It is cancelled once it is proven that nothing was charged."),
        say("If a charge is found instead, an incident asks for its refund."),
    )
    return _page(asked, now, Action.CANCEL, explanation)


def cancel(asked: Asked, author: Author) -> Done:
    """Cancel it, or record that it is to be cancelled."""
    now = _order(asked, Action.CANCEL)
    with _refusals(asked):
        order = actions.cancel(asked.services, now.order, author)
    return Done("order_cancelled" if order.status == "cancelled" else "cancel_requested")


def show_paid(asked: Asked) -> ActionPage:
    """The payment service has charged it."""
    now, say = _order(asked, Action.RESOLVE_PAID), asked.words.text
    explanation = (
        say("You state that the payment service has charged this order. The order is paid from then on."),
        say("Look there for the key below, and compare the amount."),
    )
    charge = FormField(
        name=CHARGE,
        label=say("Charge"),
        help=say("The payment service’s id of the charge."),
    )
    return _page(asked, now, Action.RESOLVE_PAID, explanation, (charge,))


def paid(asked: Asked, author: Author) -> Done:
    """Make it paid, by the charge that was found."""
    now = _order(asked, Action.RESOLVE_PAID)
    with _refusals(asked):
        actions.resolve_as_paid(asked.services, now.order, asked.typed(CHARGE), author)
    return Done("order_paid")


def show_not_charged(asked: Asked) -> ActionPage:
    """The payment service has not charged it."""
    now, say = _order(asked, Action.RESOLVE_NOT_CHARGED), asked.words.text
    what = (
        say("The order is cancelled then, as was asked for.")
        if now.order.cancel_requested
        else say("The order is dead then: it is not tried again until a person retries it.")
    )
    explanation = (
        say("You state that the payment service has not charged this order. It is not looked up any more."),
        what,
        say("Look there for the key below. If a charge is found later, an incident reports it."),
    )
    return _page(asked, now, Action.RESOLVE_NOT_CHARGED, explanation)


def not_charged(asked: Asked, author: Author) -> Done:
    """Make it dead, or cancelled if that was asked for."""
    now = _order(asked, Action.RESOLVE_NOT_CHARGED)
    with _refusals(asked):
        order = actions.resolve_as_not_charged(asked.services, now.order, author)
    return Done("order_cancelled" if order.status == "cancelled" else "order_not_charged")


def _order(asked: Asked, action: Action) -> OrderNow:
    """The order as it is now. Raises `ActionImpossibleError` if it does not allow the action, or is not there."""
    words, title = asked.words, label(ORDER_ACTIONS, action.value, asked.words)
    order_id = asked.path["order_id"]
    try:
        now = actions.order_now(asked.services, order_id)
    except OrderPrunedError:
        raise ActionImpossibleError(
            title, words.text("The order had ended, and is not kept any more."), back="/orders", status=410
        ) from None
    except OrderNotFoundError:
        raise ActionImpossibleError(
            title, words.text("No order has this id."), back="/orders", status=404
        ) from None
    if action not in now.possible:
        links = order_links(order_id, now.possible, words)
        raise ActionImpossibleError(title, _why_not(now, action, words), links, f"/orders/{order_id}")
    return now


def _why_not(now: OrderNow, action: Action, words: Words) -> str:
    if now.has_key_conflict and action is Action.RETRY:
        return _key_conflict(words)
    status = now.order.status
    state = words.text("The order is now: %(state)s.", state=label(STATES, status, words))
    return f"{state} {label(MEANINGS, status, words)}"


def _page(
    asked: Asked,
    now: OrderNow,
    action: Action,
    explanation: tuple[str, ...],
    fields: tuple[FormField, ...] = (),
) -> ActionPage:
    order, title = now.order, label(ORDER_ACTIONS, action.value, asked.words)
    return ActionPage(
        title=title,
        button=title,
        explanation=explanation,
        facts=tuple(_facts(now, asked.words)),
        fields=fields,
        version=version_of(order.status, order.charge_key, order.cancel_requested, now.may_have_charged),
        back=f"/orders/{order.id}",
    )


def _facts(now: OrderNow, words: Words) -> Iterator[Fact]:
    order, say = now.order, words.text
    yield Fact(say("Order"), order.idempotency_key, f"/orders/{order.id}")
    yield Fact(say("State"), label(STATES, order.status, words))
    yield Fact(say("Amount"), words.money(order.amount, order.currency))
    yield Fact(say("User"), order.user_id)
    doubt = say("yes: an attempt has no clear end") if now.may_have_charged else say("no")
    yield Fact(say("May have been charged"), doubt)
    yield Fact(say("Key at the payment service"), order.charge_key)
    yield Fact(say("Last error"), order.last_error or "–")


def _key_fields(words: Words) -> tuple[FormField, ...]:
    say = words.text
    return (
        FormField(
            name=NEW_KEY,
            label=say("Under a new key"),
            kind=FieldKind.CHECK,
            help=say("Only if you know that nothing was charged: the payment service sees a new request."),
            required=False,
        ),
        FormField(
            name=EVIDENCE,
            label=say("Evidence"),
            help=say("For a new key: how is it known that nothing was charged? It is recorded."),
            required=False,
        ),
    )


def _evidence(asked: Asked) -> str | None:
    """Why the order may get a new key; None: it keeps its key. Both fields belong together."""
    wants, evidence, say = bool(asked.typed(NEW_KEY)), asked.typed(EVIDENCE), asked.words.text
    if wants and not evidence:
        problem = {EVIDENCE: say("A new key needs it: how is it known that nothing was charged?")}
    elif evidence and not wants:
        problem = {NEW_KEY: say("Evidence is for a new key only: choose it, or leave the evidence empty.")}
    else:
        return evidence or None
    raise asked.wrong(problem)


def _key_conflict(words: Words) -> str:
    return words.text(
        "At the payment service its key leads to another payment, so it cannot be retried. Compare the two there, "
        "then say whether this order was charged."
    )


def other_gateway(error: OtherGatewayError, words: Words) -> str:
    """Why an order was not retried that is another gateway's."""
    return words.text(
        "Nothing was done: the order is charged by the gateway %(gateway)s, which this server does not have. Only its "
        "workers know whether the refused payment must be looked up first. Retry it in a bulk retry: they carry it "
        "out.",
        gateway=error.gateway,
    )


@contextmanager
def _refusals(asked: Asked) -> Iterator[None]:
    """Say in the reader's language why nothing was done; what is possible then is on the page that is shown again."""
    say = asked.words.text
    try:
        yield
    except ChargeTakenError as error:
        taken = say("This charge belongs to another order: %(order)s.", order=error.owner)
        raise ActionRefusedError(say("Nothing was done."), 409, {CHARGE: taken}) from error
    except InvalidChargeError as error:
        raise ActionRefusedError(
            say("Nothing was done."), 422, {CHARGE: say("It should be a charge’s id.")}
        ) from error
    except KeyConflictError as error:
        raise ActionRefusedError(_key_conflict(asked.words)) from error
    except MayHaveChargedError as error:
        raise ActionRefusedError(
            say("Nothing was done: the order may have been charged meanwhile, so it gets no new key.")
        ) from error
    except OtherGatewayError as error:
        raise ActionRefusedError(other_gateway(error, asked.words)) from error
    except RefusedError as error:
        raise asked.too_late() from error


_Both = tuple[Callable[[Asked], ActionPage], Callable[[Asked, Author], Done]]

_ACTIONS: dict[Action, _Both] = {
    Action.RETRY: (show_retry, retry),
    Action.CANCEL: (show_cancel, cancel),
    Action.RESOLVE_PAID: (show_paid, paid),
    Action.RESOLVE_NOT_CHARGED: (show_not_charged, not_charged),
}

for action, (show, act) in _ACTIONS.items():
    add_action(router, f"/act/orders/{{order_id}}/{PATHS[action]}", show, act)
