"""The names that an order goes by: derived alike each time, and left as they are by whatever they pass."""

from __future__ import annotations

import random
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.db.schema import MAX_SHAPE
from breakwall.payments.gateways.sent_keys import wire_key
from breakwall.payments.keys import (
    COLUMN_SIZES,
    derive_charge_key,
    derive_order_id,
    key_shape,
    order_id_within,
)

texts = st.text(min_size=1, max_size=255)
ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
renewals = st.integers(0, 10_000)


class TestAnOrdersId:
    @given(site=texts, key=texts)
    def test_is_32_hexadecimal_digits_and_the_same_each_time(self, site: str, key: str) -> None:
        assert re.fullmatch("[0-9a-f]{32}", derive_order_id(site, key))
        assert derive_order_id(site, key) == derive_order_id(site, key)

    @given(site=texts, key=texts, other=texts)
    def test_differs_between_two_sites_with_one_key(self, site: str, key: str, other: str) -> None:
        assert (derive_order_id(site, key) == derive_order_id(other, key)) == (site == other)

    @given(text=st.text(min_size=2, max_size=60), cut=st.data())
    def test_depends_on_where_the_sites_name_ends(self, text: str, cut: st.DataObject) -> None:
        first, second = (cut.draw(st.integers(0, len(text))) for _ in range(2))
        ids = {derive_order_id(text[:place], text[place:]) for place in {first, second}}
        assert len(ids) == len({first, second})

    @pytest.mark.parametrize("pair", [("a", "1:b"), ("a1", ":b"), ("a1:", "b"), ("1:a", "b"), ("", "a1:b")])
    def test_is_that_of_no_other_pair_that_looks_like_a_length(self, pair: tuple[str, str]) -> None:
        others = {("a", "1:b"), ("a1", ":b"), ("a1:", "b"), ("1:a", "b"), ("", "a1:b")} - {pair}
        assert derive_order_id(*pair) not in {derive_order_id(*other) for other in others}

    def test_stays_what_it_is_in_every_version_to_come(self) -> None:
        """With another one, an order that is placed again would be charged again."""
        order_id = derive_order_id("shop", "cart-1")
        assert order_id == "cd5aa4a12ad8a81cd515fa8c45490125"
        assert derive_charge_key(order_id) == "imazygonlkskckwyvaonkfp2rrcusajf"
        assert derive_charge_key(order_id, 2) == "bwmqq36nlkskckwyvaonkfp2rrcusajf"


class TestADerivedKey:
    @given(order_id=ids, renewal=renewals)
    def test_is_32_characters_that_nothing_on_the_way_changes(self, order_id: str, renewal: int) -> None:
        key = derive_charge_key(order_id, renewal)
        assert re.fullmatch("[a-z2-7]{32}", key)
        assert quote(wire_key(key), safe="") == key

    @given(order_id=ids, renewal=renewals)
    def test_tells_whose_it_is(self, order_id: str, renewal: int) -> None:
        assert order_id_within(derive_charge_key(order_id, renewal)) == order_id

    def test_is_told_apart_by_its_first_ten_characters(self) -> None:
        """Some services keep no more of it."""
        chance = random.Random(17)
        ids = [derive_order_id("shop", f"cart-{number}") for number in range(50_000)]
        ids += [f"{chance.getrandbits(128):032x}" for _ in range(50_000)]
        assert len({derive_charge_key(order_id)[:10] for order_id in ids}) == len(ids)

    def test_is_told_apart_from_those_before_it_by_its_first_ten_characters(self) -> None:
        """Of one order's keys only the first four bytes differ."""
        order_id = derive_order_id("shop", "cart-1")
        assert len({derive_charge_key(order_id, renewal)[:10] for renewal in range(1_000)}) == 1_000

    @given(order_id=ids, renewal=renewals)
    def test_has_one_shape_whichever_it_is(self, order_id: str, renewal: int) -> None:
        """So that each charge that is known tells of every look-up."""
        assert key_shape(derive_charge_key(order_id, renewal)) == "32a"


class TestTheOrderWithinAKey:
    def test_is_found_in_a_key_that_an_older_version_has_renewed(self) -> None:
        assert order_id_within(f"{'0a' * 16}.12") == "0a" * 16

    @pytest.mark.parametrize(
        "key", ["", "cart-1", "0a" * 16, "a" * 31, "a" * 33, "A" * 32, "a" * 31 + "1", "a" * 31 + "\n"]
    )
    def test_is_none_of_a_callers_own(self, key: str) -> None:
        assert order_id_within(key) is None

    @given(key=texts)
    def test_is_an_id_or_none_whatever_the_key_is(self, key: str) -> None:
        found = order_id_within(key)
        assert found is None or re.fullmatch("[0-9a-f]{32}", found)


class TestTheShapeOfAKey:
    @pytest.mark.parametrize(
        ("key", "shape"),
        [
            ("cart1", "10a"),
            ("Cart1", "10A"),
            ("17", "10d"),
            ("shop/17", "10a/"),
            ("/shop17", "10al/"),
            ("shop17/", "10at/"),
            ("a/b/c", "10a/"),
            ("a//b", "10a//"),
            ("a.b/c", "10a.n/"),
            ("cart-00000000001", "16a-"),
            ("a" * 256, "morea"),
        ],
    )
    def test_is_written_so(self, key: str, shape: str) -> None:
        assert key_shape(key) == shape

    @pytest.mark.parametrize("other", ["shop/18", "s/1", "17/shop", "a/b/c/d"])
    def test_is_the_same_where_nothing_treats_two_keys_unlike(self, other: str) -> None:
        assert key_shape("shop/17") == key_shape(other)

    @pytest.mark.parametrize(
        "other",
        ["shop17", "1718", "Shop/17", "/shop17", "shop17/", "shop//17", "shop.17", "sh.op/17", "shop/170000"],
    )
    def test_differs_where_a_router_a_column_or_a_framework_may(self, other: str) -> None:
        assert key_shape("shop/17") != key_shape(other)

    @pytest.mark.parametrize("size", COLUMN_SIZES)
    def test_differs_between_a_key_that_a_column_holds_and_one_that_it_cuts_off(self, size: int) -> None:
        assert key_shape("a" * size) != key_shape("a" * (size + 1))

    def test_goes_by_the_length_that_travels(self) -> None:
        assert key_shape("%" * 4).startswith("16")

    @given(key=st.text(min_size=1, max_size=255))
    def test_fits_into_its_column_whatever_the_key_is(self, key: str) -> None:
        assert len(key_shape(key)) <= MAX_SHAPE

    def test_fits_into_its_column_where_each_second_character_is_another_odd_one(self) -> None:
        key = "".join(f"a{chr(0xAC00 + number)}" for number in range(127)) + "a"
        assert len(key_shape(key)) <= MAX_SHAPE
