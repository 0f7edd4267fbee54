"""What `breakwall orders retry` says: what retried orders may expect, and what a retry would do."""

from dataclasses import dataclass

from breakwall.cli.orders.outlook import outlook_of_doubtful
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.operator.bulk_retry import Preview
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.terminal.options import Format
from breakwall.terminal.output import field_lines, write_result
from breakwall.terminal.words import count

DISPUTED = "the service knows their key from another payload, and only `orders resolve` ends that"

_WHY_SKIPPED = {
    "in_flight": "being charged right now",
    "declined": "the payment service said no",
    "cancelled": "not wanted any more",
    "queued": "not asked for",
    "dead": "not asked for",
    "review": "not asked for",
}


@dataclass(frozen=True)
class Rules:
    """What the workers go by: the service's promises, the budget, and for how many seconds a claim holds."""

    profile: GatewayProfile
    policy: RetryPolicy
    lease: float

    @property
    def budget(self) -> str:
        """The attempts that each retried order gets."""
        return f"a whole new budget of {count(self.policy.max_attempts, 'attempt')}"


def retried_sentence(number: int, rules: Rules) -> str:
    """How many orders were retried, and what that means for each."""
    was, is_ = ("was", "is") if number == 1 else ("were", "are")
    return (
        f"{count(number, 'order')} {was} retried and {is_} due now. Each has {rules.budget}; its retry_count goes on "
        f"counting. What may have been charged {outlook_of_doubtful(rules.profile)}."
    )


def write_preview(preview: Preview, rules: Rules, output: Format, limit: int | None = None) -> None:
    """Write what a retry would do."""
    document = {
        "dry_run": True,
        "eligible": preview.eligible,
        "would_be_sent_round": _within(limit, preview.eligible),
        "looked_up_first": preview.looked_up_first,
        "already_paid": preview.already_paid,
        "skipped": {status.value: number for status, number in preview.skipped.items()},
        "to_be_resolved": preview.to_be_resolved,
        "max_attempts": rules.policy.max_attempts,
    }
    lines = field_lines(preview_fields(preview, rules, limit))
    write_result(output, document, "A dry run: nothing was changed.", *lines)


def preview_fields(preview: Preview, rules: Rules, limit: int | None) -> dict[str, str]:
    """The same for people, by what an operator calls the numbers."""
    skipped = [f"{number:,} {status} ({_WHY_SKIPPED[status]})" for status, number in preview.skipped.items()]
    fields = {
        "eligible": count(preview.eligible, "order"),
        "looked up first": f"{preview.looked_up_first:,} of them, because they may have been charged",
        "already paid": f"{preview.already_paid:,}",
        "skipped": ", ".join(skipped) or "none",
        "to be resolved": f"{preview.to_be_resolved:,}",
        "budget": f"{rules.budget} each; retry_count goes on counting",
    }
    if preview.to_be_resolved:
        fields["to be resolved"] += f", because {DISPUTED}"
    if limit is not None:
        fields["limit"] = f"the oldest {_within(limit, preview.eligible):,} would be retried"
    return fields


def _within(limit: int | None, eligible: int) -> int:
    return eligible if limit is None else min(limit, eligible)
