"""Which column holds which field: the one that was named, else the one that is called so."""

from __future__ import annotations

import pytest

from breakwall.files.columns import Columns, ColumnsError, parse_columns, value_at
from breakwall.files.errors import UnreadableFileError

FIELDS = ("key", "charge_id", "amount")
DEFAULTS = {"key": ("key", "idempotency_key"), "charge_id": ("charge_id",), "amount": ("amount",)}


class TestNamingThem:
    @pytest.mark.parametrize(
        ("text", "chosen"),
        [
            ("", {}),
            ("charge_id=id", {"charge_id": ["id"]}),
            ("charge_id=Psp Reference, amount=Gross", {"charge_id": ["Psp Reference"], "amount": ["Gross"]}),
            ('amount="Amount, gross"', {"amount": ["Amount, gross"]}),
            (
                "amount=Gross Credit (GC)|Gross Debit (GC)",
                {"amount": ["Gross Credit (GC)", "Gross Debit (GC)"]},
            ),
            ('key="a|b"|c', {"key": ["a|b", "c"]}),
            ("key=metadata.order", {"key": ["metadata.order"]}),
            ("key=Metadata: order", {"key": ["Metadata: order"]}),
        ],
    )
    def test_takes_names_as_they_are_written(self, text: str, chosen: dict[str, list[str]]) -> None:
        assert parse_columns(text, FIELDS) == chosen

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("charge=id", "'charge' is no field; the fields are key, charge_id, amount"),
            ("key", "should be pairs such as key=NAME"),
            ("key=", "should be pairs"),
            ("key=a,,amount=b", "should be pairs"),
            ("key=a,key=b", "once, not twice"),
        ],
    )
    def test_says_what_would_be_right(self, text: str, problem: str) -> None:
        with pytest.raises(ColumnsError, match=problem):
            parse_columns(text, FIELDS)


class TestFindingThem:
    def bound(self, *header: str, **chosen: list[str]) -> dict[str, list[int]]:
        return Columns(DEFAULTS, ("charge_id", "amount"), chosen).bind(1, header)

    @pytest.mark.parametrize("name", ["charge_id", "Charge ID", "CHARGE-ID", "chargeid", " Charge_Id "])
    def test_case_spaces_and_dashes_do_not_matter(self, name: str) -> None:
        assert self.bound("amount", name)["charge_id"] == [1]

    def test_an_exact_name_comes_before_a_similar_one(self) -> None:
        assert self.bound("Amount", "amount", "charge_id")["amount"] == [1]

    def test_two_similar_names_are_refused(self) -> None:
        with pytest.raises(UnreadableFileError, match="once, not twice"):
            self.bound("Amount", "AMOUNT", "charge_id")

    def test_an_optional_column_may_be_missing(self) -> None:
        assert self.bound("charge_id", "amount")["key"] == []

    def test_missing_columns_are_named_beside_the_existing_ones(self) -> None:
        with pytest.raises(UnreadableFileError) as caught:
            self.bound("id", "Gross", "Status")
        assert caught.value.field == "charge_id"
        assert "the file has the columns id, Gross, Status. Missing: charge_id, amount." in str(caught.value)
        assert "--columns charge_id=…,amount=…" in str(caught.value)

    def test_columns_are_listed_short_and_without_control_characters(self) -> None:
        with pytest.raises(UnreadableFileError) as caught:
            self.bound("\x1b[2Jid", "x" * 70_000, *(f"column {n}" for n in range(100)))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1_000

    def test_a_chosen_column_must_exist(self) -> None:
        with pytest.raises(UnreadableFileError, match="Missing: 'Invoice' \\(key\\)"):
            self.bound("charge_id", "amount", key=["Invoice"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 1),
        ("metadata.idempotency_key", "k"),
        ("Metadata.Idempotency-Key", "k"),
        ("a.b", "dotted"),
        ("metadata.none", None),
        ("id.none", None),
        ("none.at.all", None),
    ],
)
def test_a_path_leads_into_an_object(path: str, value: object) -> None:
    document = {"id": 1, "metadata": {"idempotency_key": "k"}, "a.b": "dotted", "a": {"b": "nested"}}
    assert value_at(document, path) == value
