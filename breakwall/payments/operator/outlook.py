"""What a worker does next with an order that a person has retried, as a sentence."""

from __future__ import annotations

from breakwall.payments.decisions import Progress, Step

_SENDING = "A worker sends it next"

_NOT_SENT = {
    Step.REVIEW: "It may have been charged and cannot be looked up: nothing is sent, and it goes to review again.",
    Step.CANCEL: "Its cancellation was requested: a worker sends nothing and cancels it.",
    Step.DECLINE: "The payment service has declined it: a worker sends nothing and marks it as declined.",
}


def outlook(step: Step, progress: Progress, *, rotated: bool, vouched_for: bool) -> str:
    """What a worker does next with one order, and under which key.

    ``step`` is the result of the order's next claim, which starts with ``progress``. ``rotated``: it has a new key;
    ``vouched_for``: because of a person's evidence.
    """
    if step is Step.LOOK_UP:
        key = "It has a new key" if rotated else "Until then it keeps its key"
        return f"It may have been charged: a worker looks it up before anything is sent. {key}."
    if step in _NOT_SENT:
        return _NOT_SENT[step]
    if vouched_for:
        return f"{_SENDING}, under a new key: you stated that nothing was charged under the old one."
    if rotated:
        return (
            f"{_SENDING}, under a new key: the payment service has refused the old one, and may always refuse it. "
            "A look-up, or a person, has found that nothing was charged under the old one."
        )
    if progress.unresolved:
        return (
            f"{_SENDING}. It may have been charged: it keeps its key, which the payment service promises not to charge "
            "twice."
        )
    return f"{_SENDING}. It keeps its key; none of its attempts is unresolved."
