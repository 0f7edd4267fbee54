"""What real payment services do with keys, amounts and refusals, row by row: no order is charged twice.

Each class is a situation from a real production. The service's own charge book decides.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from breakwall.payments.operator.incidents import count_open
from breakwall.payments.operator.locking import RefusedError
from tests.contract.people import ANNA
from tests.foreign.conftest import OpenShop, Serve
from tests.foreign.services import Answering, ForeignService, ServiceCharge, breaks, hangs_up, nginx_before
from tests.foreign.shop import OneProcessShop
from tests.servers import UnavailableError, not_available

LOST = pytest.mark.parametrize("lost", [hangs_up, breaks])
DERIVED = re.compile("[a-z2-7]{32}")
EVERYTHING = ("order_id", "amount", "currency")


def charges_of(service: ForeignService, shop: OneProcessShop, key: str) -> int:
    order_id = shop.get(key).id
    return sum(charge.body["order_id"] == order_id for charge in service.charges)


def processed(service: ForeignService, shop: OneProcessShop, key: str) -> tuple[str, int]:
    """The order's state after the worker has processed it, and its number of charges."""
    return shop.work_off(key).status, charges_of(service, shop, key)


class TestAServiceThatDecodesASlashBeforeItRoutes:
    """FastAPI. Its look-up finds ``cart-1``, and answers 404 for ``shop/17``, which it has charged as well."""

    @pytest.fixture
    def service(self, serve: Serve) -> ForeignService:
        return serve(ForeignService())

    @LOST
    def test_finds_it_under_a_derived_key(
        self, service: ForeignService, open_shop: OpenShop, lost: Answering
    ) -> None:
        shop = open_shop(service.url)
        shop.know("cart-1")
        service.next.append(lost)
        shop.place("shop/17")
        assert processed(service, shop, "shop/17") == ("paid", 1)

    @LOST
    @pytest.mark.parametrize("known", [("cart-1",), ("cart-1", "shop/16"), ()])
    def test_is_not_trusted_about_a_callers_key(
        self, service: ForeignService, open_shop: OpenShop, lost: Answering, known: tuple[str, ...]
    ) -> None:
        shop = open_shop(service.url, callers_keys=True)
        shop.know(*known)
        service.next.append(lost)
        shop.place("shop/17")
        assert processed(service, shop, "shop/17") == ("review", 1)

    @pytest.mark.parametrize("callers_keys", [False, True])
    @pytest.mark.parametrize("code", [None, "ReadTimeout", "http_500"])
    def test_is_not_trusted_about_an_order_of_the_version_before(
        self, service: ForeignService, open_shop: OpenShop, callers_keys: bool, code: str | None
    ) -> None:
        shop = open_shop(service.url, callers_keys=callers_keys)
        shop.know("cart-1")
        order_id = shop.accepted_before("shop/17", code=code)
        service.charge("shop/17", {"order_id": order_id})
        assert processed(service, shop, "shop/17") == ("review", 1)

    def test_charges_no_random_key_twice(self, service: ForeignService, open_shop: OpenShop) -> None:
        shop = open_shop(service.url, callers_keys=True)
        generator = random.Random(14)
        known, keys = (
            [base64.b64encode(generator.randbytes(16)).decode() for _ in range(n)] for n in (30, 14)
        )
        shop.know("cart-1", *known)
        assert 3 <= sum("/" in key for key in keys) < 14
        for key in keys:
            service.next.append(hangs_up)
            shop.place(key)
            shop.advance(61)
        states = {key: shop.work_off(key).status for key in keys}
        assert {charges_of(service, shop, key) for key in keys} == {1}
        assert states == {key: "review" if "/" in key else "paid" for key in keys}

    @pytest.mark.server
    @LOST
    @pytest.mark.parametrize("callers_keys", [False, True])
    def test_behind_an_nginx_is_not_trusted_either(
        self,
        serve: Serve,
        open_shop: OpenShop,
        stack: ExitStack,
        tmp_path: Path,
        lost: Answering,
        callers_keys: bool,
    ) -> None:
        service = serve(ForeignService(decodes_first=False))
        try:
            url = stack.enter_context(nginx_before(service.url, tmp_path))
        except UnavailableError as error:
            not_available("nginx", str(error))
        shop = open_shop(url, callers_keys=callers_keys)
        shop.know("cart-1")
        service.next.append(lost)
        shop.place("shop/17")
        assert processed(service, shop, "shop/17") == ("review" if callers_keys else "paid", 1)


class TestAFrameworkThatReadsADotAsAFormat:
    """Rails and others: ``/api/charges/cart.17`` is the charge ``cart`` in the format ``17``."""

    @pytest.fixture
    def service(self, serve: Serve) -> ForeignService:
        return serve(ForeignService(find=lambda key: key.partition(".")[0]))

    @pytest.mark.parametrize("callers_keys", [False, True])
    def test_charges_once_after_a_500_that_charged(
        self, service: ForeignService, open_shop: OpenShop, callers_keys: bool
    ) -> None:
        shop = open_shop(service.url, callers_keys=callers_keys)
        shop.know("cart-1")
        service.next.append(breaks)
        shop.place("cart-17")
        assert processed(service, shop, "cart-17") == ("paid", 1)

    @pytest.mark.parametrize("callers_keys", [False, True])
    def test_charges_once_under_a_rotated_key(
        self, service: ForeignService, open_shop: OpenShop, callers_keys: bool
    ) -> None:
        shop = open_shop(service.url, callers_keys=callers_keys)
        shop.know("cart-1")
        service.refusals.append(JSONResponse({"code": "internal"}, 500))
        service.next.append(breaks)
        shop.place("cart-17")
        assert processed(service, shop, "cart-17") == ("paid", 1)
        first, rotated = service.asked[-2:]
        assert first != rotated == shop.get("cart-17").charge_key
        assert DERIVED.fullmatch(rotated)

    @pytest.mark.parametrize("known", [("cart-1",), ("cart-1", "cart.16")])
    def test_is_not_trusted_about_a_callers_key_with_a_dot(
        self, service: ForeignService, open_shop: OpenShop, known: tuple[str, ...]
    ) -> None:
        shop = open_shop(service.url, callers_keys=True)
        shop.know(*known)
        service.next.append(breaks)
        shop.place("cart.17")
        assert processed(service, shop, "cart.17") == ("review", 1)

    @pytest.mark.parametrize("callers_keys", [False, True])
    def test_is_not_trusted_about_a_key_that_the_version_before_has_rotated(
        self, service: ForeignService, open_shop: OpenShop, callers_keys: bool
    ) -> None:
        shop = open_shop(service.url, callers_keys=callers_keys)
        shop.know("cart-1", "cart-2")
        rotated = f"{'0123456789abcdef' * 2}.3"
        order_id = shop.accepted_before("cart-17", rotated, code="http_500")
        service.charge(rotated, {"order_id": order_id})
        assert processed(service, shop, "cart-17") == ("review", 1)


def test_the_newest_paid_order_has_a_key_that_cannot_be_looked_up(serve: Serve, open_shop: OpenShop) -> None:
    """A plain order's absence is still trusted, by a known charge whose key is like its own."""
    service = serve(ForeignService())
    shop = open_shop(service.url, callers_keys=True)
    shop.know("cart-1", "shop/17")
    service.refusals.append(JSONResponse({}, 500))
    shop.place("cart-2")
    assert processed(service, shop, "cart-2") == ("paid", 1)


CUTS_OFF = {"keep": lambda key: key[:10], "find": lambda key: key[:10]}
IGNORES_CASE = {"keep": str.lower, "find": str.lower}
NAMES = pytest.mark.parametrize("names", [(), EVERYTHING], ids=["names nothing", "names the order"])


@pytest.mark.parametrize(
    ("keeps", "keys"),
    [(CUTS_OFF, ("order-000001", "order-000002")), (IGNORES_CASE, ("Cart-1", "cart-1"))],
    ids=["keeps ten characters", "ignores case"],
)
@NAMES
class TestAServiceThatKeepsLessOfAKey:
    @pytest.fixture
    def shop_url(self, database_url: str) -> str:
        return database_url

    @pytest.fixture
    def service(self, serve: Serve, keeps: dict[str, Any], names: tuple[str, ...]) -> ForeignService:
        return serve(ForeignService(deduplicates=True, names=names, **keeps))

    def test_tells_derived_keys_apart(
        self, service: ForeignService, open_shop: OpenShop, keys: tuple[str, str]
    ) -> None:
        shop = open_shop(service.url)
        first, second = (shop.place(key) for key in keys)
        assert (first.status, second.status) == ("paid", "paid")
        assert first.charge_id != second.charge_id
        assert len(service.charges) == 2
        assert shop.incidents() == []

    @pytest.mark.parametrize("deduplicates", [False, True])
    def test_pays_no_second_order_by_the_first_ones_charge(
        self, service: ForeignService, open_shop: OpenShop, keys: tuple[str, str], deduplicates: bool
    ) -> None:
        shop = open_shop(service.url, callers_keys=True, deduplicates=deduplicates)
        first, second = (shop.place(key, amount) for key, amount in zip(keys, (10_000, 99), strict=True))
        assert (first.status, second.status, second.charge_id) == ("paid", "review", None)
        assert_an_incident_is_open(shop, keys[1])

    def test_pays_no_second_order_by_what_a_lookup_finds(
        self, service: ForeignService, open_shop: OpenShop, keys: tuple[str, str]
    ) -> None:
        shop = open_shop(service.url, callers_keys=True)
        shop.place(keys[0])
        service.refusals.append(JSONResponse({}, 503))
        shop.place(keys[1], 99)
        assert shop.work_off(keys[1]).status == "review"
        assert len(service.charges) == 1
        assert_an_incident_is_open(shop, keys[1])

    def test_leaves_the_second_order_to_a_person_who_gives_it_a_new_key(
        self, service: ForeignService, open_shop: OpenShop, keys: tuple[str, str]
    ) -> None:
        shop = open_shop(service.url, callers_keys=True)
        for key in keys:
            shop.place(key)
        with pytest.raises(RefusedError):
            shop.people.retry(keys[1], ANNA)
        shop.people.resolve_not_charged(keys[1], ANNA)
        shop.people.retry(keys[1], ANNA)
        assert shop.work_off(keys[1]).status == "paid"
        assert [charges_of(service, shop, key) for key in keys] == [1, 1]


def assert_an_incident_is_open(shop: OneProcessShop, key: str) -> None:
    (incident,) = shop.incidents()
    assert (incident.kind, incident.order_id) == ("wrong_charge", shop.get(key).id)
    assert shop.database.read(count_open) == 1


OTHERS = pytest.mark.parametrize(
    "other",
    [{"amount": 1_000}, {"amount": "100.00"}, {"currency": "USD"}, {"order_id": "another"}],
    ids=lambda other: str(next(iter(other.items()))),
)


@OTHERS
class TestAnAnswerThatNamesSomethingElseThanWasAskedFor:
    @pytest.fixture
    def service(self, serve: Serve) -> ForeignService:
        return serve(ForeignService(names=EVERYTHING))

    def test_pays_nothing(self, service: ForeignService, open_shop: OpenShop, other: dict[str, Any]) -> None:
        shop = open_shop(service.url)
        service.next.append(lambda charge: service.tell(naming(charge, other)))
        placed = shop.place("cart-1")
        assert (placed.status, placed.charge_id) == ("review", None)
        assert_an_incident_is_open(shop, "cart-1")

    def test_pays_nothing_when_it_is_looked_up(
        self, service: ForeignService, open_shop: OpenShop, other: dict[str, Any]
    ) -> None:
        shop = open_shop(service.url)
        shop.know("cart-0")
        service.next.append(hangs_up)
        shop.place("cart-1")
        service.charges[-1] = naming(service.charges[-1], other)
        order = shop.work_off("cart-1")
        assert (order.status, order.charge_id, len(service.charges)) == ("review", None, 2)
        assert_an_incident_is_open(shop, "cart-1")

    def test_needs_a_person_who_may_not_retry_it(
        self, service: ForeignService, open_shop: OpenShop, other: dict[str, Any]
    ) -> None:
        shop = open_shop(service.url)
        service.next.append(lambda charge: service.tell(naming(charge, other)))
        shop.place("cart-1")
        with pytest.raises(RefusedError, match="resolve"):
            shop.people.retry("cart-1", ANNA)
        assert len(service.charges) == 1


def naming(charge: ServiceCharge, other: dict[str, Any]) -> ServiceCharge:
    return replace(charge, body={**charge.body, **other})


class TestTwoSitesOnOnePaymentAccount:
    """Keys belong to the account: both use ``cart-1``."""

    @pytest.fixture
    def open_both(
        self, open_shop: OpenShop, stack: ExitStack, tmp_path: Path
    ) -> Callable[..., list[OneProcessShop]]:
        def opened(url: str, **options: Any) -> list[OneProcessShop]:
            second = OneProcessShop(f"sqlite:///{tmp_path / 'second.db'}", url, name="busan", **options)
            stack.callback(second.close)
            return [open_shop(url, name="seoul", **options), second]

        return opened

    @NAMES
    def test_have_a_charge_each(
        self, serve: Serve, open_both: Callable[..., list[OneProcessShop]], names: tuple[str, ...]
    ) -> None:
        service = serve(ForeignService(deduplicates=True, names=names))
        shops = open_both(service.url)
        placed = [shop.place("cart-1") for shop in shops]
        assert [order.status for order in placed] == ["paid", "paid"]
        assert [charges_of(service, shop, "cart-1") for shop in shops] == [1, 1]
        assert len({order.charge_id for order in placed}) == 2

    def test_have_a_charge_each_where_both_answers_are_lost(
        self, serve: Serve, open_both: Callable[..., list[OneProcessShop]]
    ) -> None:
        service = serve(ForeignService(deduplicates=True))
        shops = open_both(service.url)
        service.next.extend([hangs_up, hangs_up])
        for shop in shops:
            shop.place("cart-1")
        assert [shop.work_off("cart-1").status for shop in shops] == ["paid", "paid"]
        assert len({shop.get("cart-1").charge_id for shop in shops}) == 2

    @pytest.mark.parametrize("lost", [False, True])
    def test_are_not_paid_by_one_charge_if_the_callers_keys_are_sent_and_the_service_names_orders(
        self, serve: Serve, open_both: Callable[..., list[OneProcessShop]], lost: bool
    ) -> None:
        service = serve(ForeignService(deduplicates=True, names=("order_id",)))
        first, second = open_both(service.url, callers_keys=True)
        assert first.place("cart-1").status == "paid"
        service.refusals.extend([JSONResponse({}, 503)] * lost)
        second.place("cart-1")
        assert second.work_off("cart-1").status == "review"
        assert_an_incident_is_open(second, "cart-1")


class TestA400ThatMeansAlreadyDone:
    """Toss Payments' ``ALREADY_PROCESSED_PAYMENT``."""

    DONE = JSONResponse({"code": "already_processed"}, 400)

    @pytest.fixture
    def service(self, serve: Serve) -> ForeignService:
        return serve(ForeignService(repeated=self.DONE))

    def test_on_a_key_whose_attempt_is_unknown_is_never_received_if_it_is_looked_up_first(
        self, service: ForeignService, open_shop: OpenShop
    ) -> None:
        shop = open_shop(service.url)
        service.next.append(hangs_up)
        shop.place("cart-1")
        assert shop.work_off("cart-1").status == "paid"
        assert len(service.asked) == len(service.charges) == 1

    @LOST
    def test_on_a_key_whose_attempt_is_unknown_is_looked_up_at_once(
        self, service: ForeignService, open_shop: OpenShop, lost: Answering
    ) -> None:
        shop = open_shop(service.url, deduplicates=True)
        service.next.append(lost)
        shop.place("cart-1")
        shop.advance(61)
        assert shop.run_once("cart-1").status == "queued"
        assert shop.run_once("cart-1").status == "paid"
        assert (len(service.asked), len(service.charges), len(service.looked_up)) == (2, 1, 1)

    @pytest.mark.parametrize("deduplicates", [False, True])
    def test_on_a_fresh_key_is_looked_up_before_the_order_finishes(
        self, service: ForeignService, open_shop: OpenShop, deduplicates: bool
    ) -> None:
        """The charge was made before: this database has been lost since, for example."""
        shop = open_shop(service.url, deduplicates=deduplicates)
        service.refusals.append(self.DONE)
        assert shop.place("cart-1").status == "queued"
        service.charge(shop.get("cart-1").charge_key, {"order_id": shop.get("cart-1").id})
        assert shop.run_once("cart-1").status == "paid"
        assert (len(service.asked), charges_of(service, shop, "cart-1")) == (1, 1)

    @pytest.mark.parametrize("deduplicates", [False, True])
    def test_that_is_only_a_refusal_finishes_the_order_once_nothing_was_found(
        self, service: ForeignService, open_shop: OpenShop, deduplicates: bool
    ) -> None:
        shop = open_shop(service.url, deduplicates=deduplicates)
        shop.know("cart-0")
        service.refusals.append(JSONResponse({"code": "currency_not_enabled"}, 400))
        shop.place("cart-1")
        assert shop.work_off("cart-1").status == "dead"
        assert (len(service.asked), len(service.charges)) == (2, 1)
        assert service.looked_up.count(service.asked[-1]) >= 2

    @pytest.mark.parametrize("deduplicates", [False, True])
    def test_that_is_only_a_refusal_gives_the_order_a_new_key_when_a_person_retries_it(
        self, service: ForeignService, open_shop: OpenShop, deduplicates: bool
    ) -> None:
        shop = open_shop(service.url, deduplicates=deduplicates)
        shop.know("cart-0")
        service.refusals.append(JSONResponse({"code": "currency_not_enabled"}, 400))
        shop.place("cart-1")
        shop.work_off("cart-1")
        shop.people.retry("cart-1", ANNA)
        assert shop.work_off("cart-1").status == "paid"
        refused, sent = service.asked[-2:]
        assert refused != sent
        assert charges_of(service, shop, "cart-1") == 1

    @pytest.mark.parametrize("known", [(), ("cart-0",)])
    @pytest.mark.parametrize("rotated", [False, True])
    def test_that_the_version_before_trusted_is_looked_up_before_anything_is_sent(
        self, service: ForeignService, open_shop: OpenShop, known: tuple[str, ...], rotated: bool
    ) -> None:
        """It said "nothing was charged"; a retry of that version has changed the key, and nothing more."""
        shop = open_shop(service.url, callers_keys=True)
        shop.know(*known)
        charge_key = f"{'0123456789abcdef' * 2}.3" if rotated else "cart-1"
        order_id = shop.accepted_before(
            "cart-1", charge_key, gateway_key="cart-1", outcome="failed", code="already_processed"
        )
        service.charge("cart-1", {"order_id": order_id})
        assert shop.work_off("cart-1").status == "dead"
        shop.people.retry("cart-1", ANNA)
        assert processed(service, shop, "cart-1") == ("paid", 1)
