"""What a worker does next with a retried order, in words."""

from breakwall.payments.decisions import Progress, Step
from breakwall.payments.gateways import GatewayProfile

_SENDING = "A worker sends it next"

_OTHERWISE = {
    Step.REVIEW: "It may have been charged and cannot be looked up: nothing is sent, and it goes to review again.",
    Step.CANCEL: "A cancel was asked for: a worker sends nothing and cancels it.",
    Step.DECLINE: "The payment service has declined it meanwhile: a worker sends nothing and ends it as declined.",
}


def outlook(step: Step, progress: Progress, *, rotated: bool, vouched_for: bool) -> str:
    """What happens to one order next, and under which key.

    Args:
        step: what its next claim leads to.
        progress: what that claim begins with.
        rotated: it has a new key.
        vouched_for: the new key is on a person's evidence.
    """
    if step is Step.LOOK_UP:
        key = "It has a new key" if rotated else "Until then it keeps its key"
        return f"It may have been charged: a worker looks it up before anything is sent. {key}."
    if step in _OTHERWISE:
        return _OTHERWISE[step]
    if vouched_for:
        return f"{_SENDING}, under a new key, as you vouch that nothing was charged under the old one."
    if rotated:
        return (
            f"{_SENDING}, under a new key: the payment service has refused the old one, and may do so for ever. "
            "A look-up, or a person, has found that nothing was charged under it."
        )
    if progress.unresolved:
        return (
            f"{_SENDING}. It may have been charged: it keeps its key, which the payment service promises not to charge "
            "twice."
        )
    return f"{_SENDING}. It keeps its key; none of its attempts is in doubt."


def outlook_of_doubtful(profile: GatewayProfile) -> str:
    """What happens to those of many orders that may have been charged, as the end of a sentence."""
    if not profile.looks_up:
        return "is sent under its old key or goes to review again"
    if profile.deduplicates:
        return "keeps its key and is looked up, or sent under that key, which is promised not to charge twice"
    return "is looked up before anything is sent"
