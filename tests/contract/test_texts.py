"""Whatever text is accepted, both databases give back the same one, and it finds its order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from breakwall.payments.ledger.queries import Naming, OrderNotFoundError, get_order
from breakwall.payments.orders import Order
from tests.command import ShortTerminal, Terminal
from tests.contract.site import Site
from tests.texts import REFUSED, accepted_texts

over_one_database = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def terminal(migrated_url: str, tmp_path: Path) -> Terminal:
    """Commands over the site's database, within this process."""
    terminal = ShortTerminal(tmp_path)
    terminal.set(DATABASE_URL=migrated_url)
    return terminal


def queued(site: Site, text: str) -> str:
    order = Order(user_id=text, amount=10_000, currency="KRW", idempotency_key=text)
    return site.producer.enqueue([order])[0].order_id


@over_one_database
@given(text=accepted_texts())
def test_an_accepted_text_comes_back_as_it_was(site: Site, text: str) -> None:
    order_id = queued(site, text)
    stored = get_order(site.database, text, Naming.KEY)
    assert (stored.id, stored.user_id, stored.idempotency_key) == (order_id, text, text)


@over_one_database
@given(text=accepted_texts())
def test_an_order_is_shown_by_any_key_that_was_accepted(site: Site, terminal: Terminal, text: str) -> None:
    order_id = queued(site, text)
    shown = terminal.run("orders", "show", "-o", "json", "--", text).document
    assert (shown["id"], shown["user_id"], shown["idempotency_key"]) == (order_id, text, text)


def test_keys_are_compared_byte_for_byte(site: Site) -> None:
    alike = ["caf\u00e9", "cafe\u0301", "Caf\u00e9", "caf\u00e9\u00a0", "caf\u00e9 ", "ﬁn", "fin", "ß", "ss"]
    ids = [queued(site, key) for key in alike]
    assert len(set(ids)) == len(alike)
    assert [get_order(site.database, key).id for key in alike] == ids


@pytest.mark.parametrize("char", REFUSED[:3] + REFUSED[-3:] + ["\u202e", "\ud800"], ids=ascii)
def test_a_name_that_no_order_can_have_is_not_asked_about(site: Site, char: str) -> None:
    with pytest.raises(OrderNotFoundError, match=r"'cart-1\\"):
        get_order(site.database, f"cart-1{char}")
