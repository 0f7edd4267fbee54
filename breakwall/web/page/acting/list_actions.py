"""The actions that the overview's lists, and a bulk retry's page, lead to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from breakwall.payments.interventions import Action
from breakwall.payments.operator.bulk_retry.record import BulkRetry
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.acting.action_page import Link
from breakwall.web.page.acting.order_links import incident_links, order_links
from breakwall.web.page.overview_lists import OverviewLists
from breakwall.web.page.words import Words

# What a row offers. All that an order allows is on its page, which knows whether a key conflict forbids a retry.
_OFFERED = {
    OrderStatus.DEAD: (Action.RETRY,),
    OrderStatus.REVIEW: (Action.RESOLVE_PAID, Action.RESOLVE_NOT_CHARGED),
}


@dataclass(frozen=True, slots=True)
class ListActions:
    """Links by the order's id, by the incident's number, and those on many orders; none for who may only read."""

    orders: Mapping[str, Sequence[Link]] = field(default_factory=dict)
    incidents: Mapping[int, Sequence[Link]] = field(default_factory=dict)
    many: Sequence[Link] = ()


def list_actions(lists: OverviewLists, words: Words) -> ListActions:
    """What the lists lead to."""
    return ListActions(
        {one.id: order_links(one.id, _OFFERED.get(one.status, ()), words) for one in lists.wanted},
        {one.id: incident_links([one], words) for one in lists.incidents},
        [_retry_all(words)] if lists.is_any_dead and lists.bulk_retries is not None else [],
    )


def bulk_links(bulk: BulkRetry, words: Words) -> list[Link]:
    """What can be done with a bulk retry: nothing once it has ended."""
    if bulk.has_ended:
        return []
    return [Link(f"/act/bulk-retries/{bulk.id}/abort", words.text("Abort the bulk retry"))]


def _retry_all(words: Words) -> Link:
    return Link("/act/orders/retry-all?status=dead", words.text("Retry all dead orders"))
