"""The overview offers what can succeed now, to who may act."""

from __future__ import annotations

import pytest

from breakwall.access.scopes import Scope
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.web.access.principal import Principal
from breakwall.web.page.acting.possible import OverviewLinks, overview_links
from breakwall.web.page.overview_html import Onlooker, fragment
from breakwall.web.page.page_data import PageData
from breakwall.web.page.words import Words
from tests.contract.people import ANNA, queued
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import links_in, open_form, sign_in
from tests.page_snapshots import seen


def offered(api: ApiSite) -> list[str]:
    """The last parts of the addresses of what the overview offers now."""
    api.services.live.look_again()
    return [link.removeprefix("/act/") for link in links_in(api.client.get("/").text)]


def prepare(api: ApiSite, state: str) -> None:
    site = api.site
    control = DrainControl(site.database, clock=site.clock)
    if state == "open":
        site.open_circuit()
    elif state == "half-open":
        site.open_circuit()
        site.advance(site.breaker.status().retry_after)
    elif state == "forced":
        site.open_circuit()
        site.breaker.force_open("the bank calls", "anna")
    elif state == "paused":
        control.pause(ANNA)
    elif state == "paused with orders":
        queued(site, "a")
        control.pause(ANNA)


CIRCUIT = ["circuit/force-open", "circuit/force-closed", "circuit/observe"]
DRAIN = ["queue/pause", "queue/rate"]


@pytest.mark.parametrize(
    ("state", "links"),
    [
        ("calm", [*CIRCUIT, *DRAIN]),
        ("open", ["circuit/probe", *CIRCUIT, *DRAIN]),
        ("half-open", [*CIRCUIT, *DRAIN]),
        ("forced", ["circuit/auto", *CIRCUIT, *DRAIN]),
        ("paused", [*CIRCUIT, "queue/resume", *DRAIN]),
        ("paused with orders", [*CIRCUIT, "queue/resume", "queue/release", *DRAIN]),
    ],
)
def test_an_action_is_offered_where_it_can_succeed_and_there_it_has_a_form(
    api: ApiSite, state: str, links: list[str]
) -> None:
    prepare(api, state)
    assert offered(api) == links
    every = [*CIRCUIT, *DRAIN, "circuit/probe", "circuit/auto", "queue/resume", "queue/release"]
    with_form = [address for address in every if open_form(api, f"/act/{address}").status_code == 200]
    assert sorted(with_form) == sorted(links)


def test_who_may_only_read_is_offered_nothing(api: ApiSite) -> None:
    sign_in(api, Scope.OPS_READ, Scope.ORDERS_WRITE)
    assert offered(api) == []


def test_who_may_act_is_offered_it(api: ApiSite) -> None:
    sign_in(api, Scope.OPS_READ, Scope.OPS_WRITE)
    assert offered(api) == [*CIRCUIT, *DRAIN]


def test_the_live_part_offers_the_same(api: ApiSite) -> None:
    words, live = Words("en"), api.services.live
    data = PageData(live, api.services.breaker.config)

    def live_part(*scopes: Scope) -> list[str]:
        may_act = Principal("minjun", frozenset(scopes)).may_act
        return links_in(fragment(data, live.latest(), Onlooker(words, may_act=may_act))[0])

    assert live_part(Scope.OPS_READ) == []
    assert live_part(Scope.OPS_READ, Scope.OPS_WRITE) == [f"/act/{one}" for one in (*CIRCUIT, *DRAIN)]


def test_old_numbers_offer_nothing() -> None:
    down = seen("down")
    assert overview_links(down, Words("en"), is_shared=True).circuit
    stale = seen("down", age=60.0)
    assert stale.is_stale
    assert overview_links(stale, Words("en"), is_shared=True) == OverviewLinks()
