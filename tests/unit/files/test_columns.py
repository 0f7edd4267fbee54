"""Which column is which field: as it is said, or as it is called."""

from __future__ import annotations

import pytest

from breakwall.files.columns import Columns, ColumnsError, look_up, parse_columns
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
    def test_case_spaces_and_dashes_make_no_other_name(self, name: str) -> None:
        assert self.bound("amount", name)["charge_id"] == [1]

    def test_a_name_that_is_written_so_comes_before_one_that_is_alike(self) -> None:
        assert self.bound("Amount", "amount", "charge_id")["amount"] == [1]

    def test_two_that_are_alike_are_refused(self) -> None:
        with pytest.raises(UnreadableFileError, match="once, not twice"):
            self.bound("Amount", "AMOUNT", "charge_id")

    def test_what_is_not_needed_may_be_missing(self) -> None:
        assert self.bound("charge_id", "amount")["key"] == []

    def test_what_is_missing_is_told_with_what_there_is(self) -> None:
        with pytest.raises(UnreadableFileError) as caught:
            self.bound("id", "Gross", "Status")
        assert caught.value.field == "charge_id"
        assert "no column charge_id, amount. The file has id, Gross, Status." in str(caught.value)
        assert "--columns charge_id=…,amount=…" in str(caught.value)

    def test_what_there_is_is_told_short_and_moves_no_cursor(self) -> None:
        with pytest.raises(UnreadableFileError) as caught:
            self.bound("\x1b[2Jid", "x" * 70_000, *(f"column {n}" for n in range(100)))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1_000

    def test_a_column_that_was_named_has_to_be_there(self) -> None:
        with pytest.raises(UnreadableFileError, match="no column 'Invoice' \\(key\\)"):
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
    assert look_up(document, path) == value
