"""What `breakwall orders retry` says: what it did or would do, and what a worker does next with each order."""

from collections.abc import Mapping
from dataclasses import dataclass

from breakwall.cli.queue.drain_state import paused_by
from breakwall.json_documents import preview_document
from breakwall.payments.fleet.drain_control import DrainState
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.operator.bulk_retry.preview import Preview
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.terminal.options import Format
from breakwall.terminal.output import field_lines, write_result
from breakwall.terminal.words import count

DISPUTED = "the service knows their key from another payload, and only `orders resolve` can finish them"

NOT_COUNTED = "not counted, because that would take too long"

_WHY_SKIPPED = {
    "in_flight": "being charged now",
    "declined": "by the payment service",
    "cancelled": "by a person",
    "queued": "not selected",
    "dead": "not selected",
    "review": "not selected",
}


@dataclass(frozen=True)
class Rules:
    """The workers' rules: the service's promises, the budget, the seconds of a claim's lease, the gateway's name."""

    profile: GatewayProfile
    policy: RetryPolicy
    lease: float
    gateway: str

    @property
    def budget(self) -> str:
        """The attempts that each retried order gets."""
        return f"a whole new budget of {count(self.policy.max_attempts, 'attempt')}"


def retried_sentence(number: int, rules: Rules) -> str:
    """How many orders were retried, and what that means for each."""
    was, is_ = ("was", "is") if number == 1 else ("were", "are")
    return (
        f"{count(number, 'order')} {was} retried and {is_} due now. Each has {rules.budget}; its retry_count "
        f"continues. An order that may have been charged {outlook_of_unresolved(rules.profile)}."
    )


def during_a_pause(state: DrainState, *, released: bool) -> list[str]:
    """What a pause of the queue means for the retried orders; nothing without one. ``released``: they were named."""
    if state.paused is None:
        return []
    if released:
        effect = "what is named here is released, and worked on nevertheless; no other order is"
    else:
        effect = "they wait until `breakwall queue resume`. To release single ones, retry them by name"
    return [f"The queue is paused {paused_by(state.paused)}.", f"{effect[0].upper()}{effect[1:]}."]


def outlook_of_unresolved(profile: GatewayProfile) -> str:
    """What happens to orders that may have been charged, as the end of a sentence."""
    if not profile.looks_up:
        return "is sent under its old key or goes to review again"
    if profile.deduplicates:
        return "keeps its key: it is looked up, or sent with that key, which the service promises not to charge twice"
    return "is looked up before anything is sent"


def write_preview(preview: Preview, rules: Rules, output: Format, limit: int | None = None) -> None:
    """Write what a retry would do."""
    document = {
        **preview_document(preview),
        "would_be_sent_round": _within(limit, preview.eligible),
        "max_attempts": rules.policy.max_attempts,
    }
    lines = field_lines(preview_fields(preview, rules, limit))
    write_result(output, document, "A dry run: nothing was changed.", *lines)


def preview_fields(preview: Preview, rules: Rules, limit: int | None) -> dict[str, str]:
    """What a retry would do, as named fields."""
    fields = {
        "eligible": count(preview.eligible, "order") if preview.eligible is not None else NOT_COUNTED,
        "looked up first": f"{known(preview.looked_up_first)} of them, because they may have been charged",
        "already paid": known(preview.already_paid),
        "skipped": _skipped(preview.skipped),
        "to be resolved": known(preview.to_be_resolved),
        "budget": f"{rules.budget} each; retry_count continues",
    }
    if preview.to_be_resolved:
        fields["to be resolved"] += f", because {DISPUTED}"
    if limit is not None:
        fields["limit"] = f"the oldest {known(_within(limit, preview.eligible))} would be retried"
    return fields


def known(number: int | None) -> str:
    """A number, or that it was not counted."""
    return NOT_COUNTED if number is None else f"{number:,}"


def _skipped(by_state: Mapping[OrderStatus, int] | None) -> str:
    if by_state is None:
        return NOT_COUNTED
    return ", ".join(f"{n:,} {state} ({_WHY_SKIPPED[state]})" for state, n in by_state.items()) or "none"


def _within(limit: int | None, eligible: int | None) -> int | None:
    return eligible if limit is None or eligible is None else min(limit, eligible)
