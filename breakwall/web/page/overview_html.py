"""The overview as HTML: the whole page, and what of it an event brings to a page that is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from breakwall.web.live.poller import Seen
from breakwall.web.page.acting.list_actions import ListActions, list_actions
from breakwall.web.page.acting.possible import OverviewLinks, overview_links
from breakwall.web.page.audit_view import audit_rows
from breakwall.web.page.bulk_view import bulk_view
from breakwall.web.page.overview_lists import OverviewLists
from breakwall.web.page.page_data import PageData
from breakwall.web.page.rendering import render
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.verdict import unreachable
from breakwall.web.page.view import page_view
from breakwall.web.page.words import Words


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Whoever has the overview open. ``is_shared``: whether all processes share the circuit, so that it can be set."""

    words: Words
    may_act: bool = False
    is_shared: bool = True

    def live_values(self, seen: PageSnapshot) -> dict[str, Any]:
        """What the template of the live part takes."""
        links = (
            overview_links(seen, self.words, is_shared=self.is_shared) if self.may_act else OverviewLinks()
        )
        return {"view": page_view(seen, self.words), "links": links}

    def lists_values(self, lists: OverviewLists | None) -> dict[str, Any]:
        """What the template of the lists takes."""
        if lists is None:
            return {"lists": None, "bulk_retries": [], "actions": [], "act": ListActions()}
        return {
            "lists": lists,
            "bulk_retries": [bulk_view(bulk, self.words) for bulk in lists.bulk_retries or ()],
            "actions": audit_rows(lists.actions, self.words),
            "act": list_actions(lists, self.words) if self.may_act else ListActions(),
        }


def fragment(
    data: PageData, seen: Seen, onlooker: Onlooker, shown: OverviewLists | None = None
) -> tuple[str, OverviewLists | None]:
    """The live part of the overview, with the lists if others are ``shown``; and the lists that are shown then."""
    snapshot, words = data.of(seen), onlooker.words
    if snapshot is None:
        return render("verdict.html", words, verdict=unreachable(words)), shown
    html = render("live_event.html", words, **onlooker.live_values(snapshot), history=None)
    lists = snapshot.lists
    if lists is None or lists == shown:
        return html, shown
    return html + render("changed_lists.html", words, **onlooker.lists_values(lists)), lists


def as_event(html: str) -> str:
    """A server-sent event: each line of ``html`` is one of its ``data``."""
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"
