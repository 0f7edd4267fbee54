"""The pages about what people did."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.downgrade import downgrade
from breakwall.payments.operator.incidents import open_incident
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA, dead
from tests.contract.site import order
from tests.contract.web.api_site import ApiSite

EVIL = '<script>alert("1")</script>%(x)s'


def get(api: ApiSite, path: str, status: int = 200) -> str:
    answer = api.client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def cancel(api: ApiSite, keys: Iterable[str], author: Author = ANNA) -> None:
    for key in keys:
        api.site.producer.enqueue([order(key)])
        api.site.people.cancel(api.site.get(key).id, author)
        api.site.advance(1)


def bulk_retry(api: ApiSite, name: str = "incident 7") -> BulkRetry:
    made = BulkRetries(api.services.database, clock=api.services.clock)
    return made.create(Selection((OrderStatus.DEAD,)), Author("anna", EVIL), name=name)


def subjects(html: str) -> list[str]:
    return re.findall(r'<a href="/orders/(\w+)"', html)


def test_the_overview_has_the_last_ten_actions_and_the_way_to_all(api: ApiSite) -> None:
    cancel(api, (f"k{number}" for number in range(12)))
    html = get(api, "/")
    newest = [api.site.get(f"k{number}").id for number in range(11, 1, -1)]
    assert subjects(html[html.index('id="actions"') :]) == newest
    assert '<a href="/audit">The whole audit log</a>' in html
    assert "cancelled" in text_of(html)
    assert "the service is back" in html


def test_each_action_is_on_one_page_of_the_log(api: ApiSite) -> None:
    cancel(api, (f"k{number}" for number in range(60)))
    first = get(api, "/audit?action=order")
    (more,) = re.findall(r'href="([^"]+)" rel="next"', first)
    assert "action=order" in more
    second = get(api, more.replace("&amp;", "&"))
    assert subjects(first + second) == [api.site.get(f"k{number}").id for number in range(59, -1, -1)]
    assert 'rel="next"' not in second
    assert '<a href="/audit?action=order&amp;actor=&amp;subject=">To the newest</a>' in second


def test_the_filters_are_in_the_address(api: ApiSite) -> None:
    cancel(api, ["a"])
    cancel(api, ["b"], Author("민준", "고객 요청"))
    a, b = api.site.get("a").id, api.site.get("b").id
    assert subjects(get(api, "/audit?actor=민준")) == [b]
    assert subjects(get(api, f"/audit?subject={a}")) == [a]
    assert subjects(get(api, "/audit?action=order&actor=anna")) == [a]
    html = get(api, "/audit?action=queue&actor=anna")
    assert "Nothing fits." in html
    assert '<option value="queue" selected>' in html
    assert 'value="anna"' in html


@pytest.mark.parametrize(
    "query",
    ["action=nonsense", "actor=%00", f"subject={'x' * 400}", "after=x", "after=2026~9~1", "after=%00"],
)
def test_a_filter_that_can_fit_nothing_is_left_out(api: ApiSite, query: str) -> None:
    cancel(api, ["a"])
    assert subjects(get(api, f"/audit?{query}")) == [api.site.get("a").id]


def test_the_overview_has_the_bulk_retries_and_how_far_they_are(api: ApiSite) -> None:
    dead(api.site, "a")
    made = bulk_retry(api)
    html = get(api, "/")
    assert f'<a href="/bulk-retries/{made.id}">incident 7</a>' in html
    assert "collecting" in text_of(html)
    assert "0 of 0" in text_of(html)


def test_a_bulk_retry_has_a_page(api: ApiSite) -> None:
    dead(api.site, "a")
    made = bulk_retry(api, name=EVIL)
    html = get(api, f"/bulk-retries/{made.id}")
    assert "<script>alert" not in html
    assert "Its orders are being written down." in html
    assert f'href="/act/bulk-retries/{made.id}/abort"' in html
    assert subjects(html) == []
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in html
    assert f'<div id="live" data-may-change hx-get="/bulk-retries/{made.id}"' in html
    assert made.id in get(api, f"/audit?subject={made.id}")


def test_an_ended_bulk_retry_is_not_loaded_again_and_says_who_ended_it(api: ApiSite) -> None:
    made = bulk_retry(api)
    BulkRetries(api.services.database, clock=api.services.clock).abort(made.id, Author("minjun", "too fast"))
    html = get(api, f"/bulk-retries/{made.id}")
    assert "Aborted by minjun" in html
    assert "http-equiv" not in html
    assert "data-may-change" not in html
    assert "/abort" not in html


@pytest.mark.parametrize("name", ["nothing", "a" * 32, "%00", "x" * 400])
def test_an_unknown_bulk_retry_is_a_page_that_says_so(api: ApiSite, name: str) -> None:
    assert "No such bulk retry" in get(api, f"/bulk-retries/{name}", 404)


def test_before_the_tables_exist_there_is_no_bulk_retry(api: ApiSite) -> None:
    downgrade(api.site.database.engine)
    assert "There was none." in get(api, "/")
    assert "No such bulk retry" in get(api, f"/bulk-retries/{'a' * 32}", 404)


def test_an_open_incident_is_shown_with_what_to_do(api: ApiSite) -> None:
    api.site.producer.enqueue([order("a")])
    open_incident(api.services.database, "a", Author("anna", EVIL), clock=api.services.clock)
    html = get(api, "/")
    assert "1 charge has to be checked by a person." in html
    assert "put it right at the payment service, then close the incident." in html
    assert api.site.get("a").id in subjects(html[html.index('id="incidents"') :])
    assert "<script>alert" not in html
