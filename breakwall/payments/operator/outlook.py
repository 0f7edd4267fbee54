"""What a worker does next with an order that a person has retried."""

from __future__ import annotations

from enum import StrEnum

from breakwall.payments.decisions import Progress, Step

_SENDING = "A worker sends it next"


class Outlook(StrEnum):
    """What a worker does next with one order, and under which key. `sentence` says it in English."""

    LOOKED_UP = "looked_up"
    LOOKED_UP_NEW_KEY = "looked_up_new_key"
    REVIEW = "review"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    SENT = "sent"
    SENT_OLD_KEY = "sent_old_key"
    SENT_NEW_KEY = "sent_new_key"
    SENT_VOUCHED_FOR = "sent_vouched_for"
    OTHER_GATEWAY = "other_gateway"

    @property
    def sentence(self) -> str:
        """For people."""
        return _SENTENCES[self]


_SENTENCES = {
    Outlook.LOOKED_UP: (
        "It may have been charged: a worker looks it up before anything is sent. Until then it keeps its key."
    ),
    Outlook.LOOKED_UP_NEW_KEY: (
        "It may have been charged: a worker looks it up before anything is sent. It has a new key."
    ),
    Outlook.REVIEW: (
        "It may have been charged and cannot be looked up: nothing is sent, and it goes to review again."
    ),
    Outlook.CANCELLED: "Its cancellation was requested: a worker sends nothing and cancels it.",
    Outlook.DECLINED: (
        "The payment service has declined it: a worker sends nothing and marks it as declined."
    ),
    Outlook.SENT: f"{_SENDING}. It keeps its key; none of its attempts is unresolved.",
    Outlook.SENT_OLD_KEY: (
        f"{_SENDING}. It may have been charged: it keeps its key, which the payment service promises not to charge "
        "twice."
    ),
    Outlook.SENT_NEW_KEY: (
        f"{_SENDING}, under a new key: the payment service has refused the old one, and may always refuse it. A "
        "look-up, or a person, has found that nothing was charged under the old one."
    ),
    Outlook.SENT_VOUCHED_FOR: (
        f"{_SENDING}, under a new key: you stated that nothing was charged under the old one."
    ),
    Outlook.OTHER_GATEWAY: "It is another gateway's: only a worker with that gateway works on it.",
}

_NOT_SENT = {Step.REVIEW: Outlook.REVIEW, Step.CANCEL: Outlook.CANCELLED, Step.DECLINE: Outlook.DECLINED}


def outlook(step: Step, progress: Progress, *, rotated: bool, vouched_for: bool) -> Outlook:
    """What a worker does next with one order, and under which key.

    ``step`` is the result of the order's next claim, which starts with ``progress``. ``rotated``: it has a new key;
    ``vouched_for``: because of a person's evidence.
    """
    if step is Step.LOOK_UP:
        return Outlook.LOOKED_UP_NEW_KEY if rotated else Outlook.LOOKED_UP
    if step in _NOT_SENT:
        return _NOT_SENT[step]
    if vouched_for:
        return Outlook.SENT_VOUCHED_FOR
    if rotated:
        return Outlook.SENT_NEW_KEY
    return Outlook.SENT_OLD_KEY if progress.unresolved else Outlook.SENT
