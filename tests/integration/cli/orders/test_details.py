"""What an order carries for the payment service: it goes in by the command line; its payment method never comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.command import Terminal

TOKEN = "pm_geheim"
DETAILS = (
    *(
        "--payment-method",
        TOKEN,
        "--description",
        "two teas",
        "--metadata",
        "cart=17",
        "--metadata",
        "note=a=b",
    ),
    *("--gateway", "http", "--charge-before", "2h"),
)
CARD = "4242 4242 4242 4242"


def seconds_left(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


class TestAnOrderThatIsPlaced:
    def test_keeps_its_details(self, terminal: Terminal) -> None:
        placed = terminal.place(*DETAILS)
        assert placed.code == 0
        shown = terminal.show()
        assert (shown["description"], shown["metadata"]) == ("two teas", {"cart": "17", "note": "a=b"})
        assert (shown["gateway"], shown["reason"], shown["has_payment_method"]) == ("http", None, True)
        assert 0 < seconds_left(shown["charge_before"]) <= 7200

    def test_has_no_details_unless_they_are_given(self, terminal: Terminal) -> None:
        assert terminal.place().document["has_payment_method"] is False
        shown = terminal.show()
        assert [shown[name] for name in ("description", "metadata", "charge_before")] == [None] * 3

    @pytest.mark.parametrize(("given", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)])
    def test_takes_a_time_from_now(self, terminal: Terminal, given: str, seconds: float) -> None:
        assert terminal.place("--charge-before", given).document["charge_before"] == seconds

    def test_takes_a_moment(self, terminal: Terminal) -> None:
        moment = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
        terminal.place("--charge-before", moment.isoformat())
        assert terminal.show()["charge_before"] == moment.isoformat()

    def test_is_the_known_one_only_with_the_same_details(self, terminal: Terminal) -> None:
        terminal.place(*DETAILS)
        assert terminal.place(*DETAILS).document["replayed"]
        other = terminal.place()
        assert other.code == 2
        assert "another payment_method and description and metadata" in other.err

    @pytest.mark.parametrize("output", [(), ("-o", "json")])
    def test_shows_its_payment_method_nowhere(self, terminal: Terminal, output: tuple[str, ...]) -> None:
        line = [
            "--user",
            "u1",
            "--amount",
            "10000",
            "--currency",
            "KRW",
            "--key",
            "cart-1",
            *DETAILS,
            *output,
        ]
        runs = [
            terminal.run("orders", "place", *line),
            terminal.run("orders", "show", "cart-1", *output),
            terminal.run("orders", "show", "cart-1", "--all"),
            terminal.run("orders", "list", *output),
            terminal.run("orders", "cancel", "cart-1", "--reason", "test", *output),
            terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "test", *output),
        ]
        assert runs[0].code == runs[1].code == runs[2].code == 0
        for ran in runs:
            assert TOKEN not in ran.out + ran.err

    def test_shows_the_rest_in_words(self, terminal: Terminal) -> None:
        terminal.place(*DETAILS)
        shown = terminal.run("orders", "show", "cart-1").out
        for part in (
            "₩10,000 from u1 by the given payment method",
            "two teas",
            "cart=17, note=a=b",
            "to http",
        ):
            assert part in shown

    @pytest.mark.parametrize(
        ("option", "text", "problem"),
        [
            ("--payment-method", CARD, "payment_method: should not hold what looks like a card number"),
            ("--description", f"card {CARD}", "description: should not hold what looks like a card number"),
            ("--description", "x" * 501, "description: should be at most 500 characters"),
            ("--metadata", f"card={CARD}", "metadata: the value of entry 1 should not hold what looks like"),
            ("--metadata", CARD, "metadata: entry 1 should be NAME=VALUE"),
            ("--metadata", "=17", "metadata: the name of entry 1 should be a text that is not empty"),
            ("--metadata", "cart=", "metadata: the value of entry 1 should be a text that is not empty"),
            ("--gateway", "stripe", "gateway: should be the configured one, 'http', or left out"),
            ("--charge-before", "soon", "charge_before: should be a moment such as"),
            ("--charge-before", "2026-11-28T18:00:00", "charge_before: should say its time zone"),
            (
                "--charge-before",
                "2020-01-01T00:00:00Z",
                "charge_before: should be in the future: it has passed",
            ),
            ("--charge-before", "0", "charge_before: should be a moment such as"),
            ("--charge-before", "367d", "at most 31622400, which is 366 days"),
        ],
    )
    def test_is_refused_with_what_is_right_and_without_the_text(
        self, terminal: Terminal, option: str, text: str, problem: str
    ) -> None:
        placed = terminal.place(option, text)
        assert placed.code == 2
        assert problem in placed.err
        assert CARD not in placed.err
        assert terminal.run("orders", "list", "-o", "json").document == []

    def test_has_each_metadata_name_once(self, terminal: Terminal) -> None:
        placed = terminal.place("--metadata", "cart=17", "--metadata", "cart=18")
        assert (placed.code, "entry 2 has the name of another entry" in placed.err) == (2, True)


HEADER = "user_id,amount,currency,idempotency_key,payment_method,description,metadata,charge_before\n"
GOOD = {"user_id": "u1", "amount": 10_000, "currency": "KRW", "idempotency_key": "cart-1"}
METADATA_IN_CSV = '"{""cart"": ""17""}"'
IN_CSV = f"u1,10000,KRW,cart-1,{TOKEN},two teas,{METADATA_IN_CSV},"


def json_lines(**details: object) -> bytes:
    return json.dumps(GOOD | details).encode()


class TestAnOrderThatIsImported:
    @pytest.mark.parametrize("before", [3600, 3600.5, "3600", "1h"])
    @pytest.mark.parametrize("form", ["csv", "json", "json lines"])
    def test_keeps_its_details(self, terminal: Terminal, form: str, before: object) -> None:
        line = json_lines(
            payment_method=TOKEN, description="two teas", metadata={"cart": "17"}, charge_before=before
        )
        content = {
            "csv": f"{HEADER}{IN_CSV}{before}\n".encode(),
            "json": b"[" + line + b"]",
            "json lines": line,
        }[form]
        ran = terminal.run("orders", "import", "-o", "json", stdin=content)
        assert (ran.code, ran.document["accepted"]) == (0, 1)
        shown = terminal.show()
        assert (shown["description"], shown["metadata"]) == ("two teas", {"cart": "17"})
        assert (shown["has_payment_method"], shown["gateway"]) == (True, "http")
        assert 3500 < seconds_left(shown["charge_before"]) <= 3601

    def test_is_known_again_although_its_seconds_begin_anew(self, terminal: Terminal) -> None:
        content = f"{HEADER}{IN_CSV}1h\n".encode()
        terminal.run("orders", "import", stdin=content)
        assert terminal.run("orders", "import", "-o", "json", stdin=content).document["already_known"] == 1

    def test_may_have_its_details_in_columns_of_other_names(self, terminal: Terminal) -> None:
        content = (
            f"user_id,amount,currency,idempotency_key,Token,Memo\nu1,10000,KRW,cart-1,{TOKEN},two teas\n"
        )
        named = "payment_method=Token,description=Memo"
        assert terminal.run("orders", "import", "--columns", named, stdin=content.encode()).code == 0
        assert terminal.show()["description"] == "two teas"
        assert terminal.show()["has_payment_method"]

    def test_has_none_for_the_empty_cells_of_csv(self, terminal: Terminal) -> None:
        terminal.run("orders", "import", stdin=f"{HEADER}u1,10000,KRW,cart-1,,,,\n".encode())
        shown = terminal.show()
        assert [shown[name] for name in ("description", "metadata", "charge_before")] == [None] * 3

    @pytest.mark.parametrize(
        ("details", "problem"),
        [
            ({"payment_method": CARD}, "payment_method: should not hold what looks like a card number"),
            ({"metadata": {"cart": 17}}, "metadata: the value of entry 1 should be a text"),
            ({"metadata": {"cart": 1.5}}, "metadata: the value of entry 1 should be a text"),
            ({"metadata": [1]}, 'metadata: should be texts by name, such as {"cart": "17"}'),
            ({"metadata": "cart=17"}, "metadata: should be a JSON object of texts"),
            ({"metadata": "[" * 30_000}, "metadata: should be a JSON object of texts"),
            ({"description": 5}, "description: should be a text"),
            ({"description": "a\u0000b"}, "description: should not hold U+0000 (a control character)"),
            ({"description": "\ud800"}, "description: should not hold U+D800"),
            ({"charge_before": "soon"}, "charge_before: should be a moment such as"),
            ({"charge_before": -5}, "charge_before: should be a moment such as"),
            ({"charge_before": True}, "charge_before: should be a moment such as"),
            (
                {"charge_before": "2020-01-01T00:00:00Z"},
                "charge_before: should be in the future: it has passed",
            ),
            ({"gateway": "stripe"}, "gateway: should be the configured one, 'http', or left out"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_is_reported_alone_if_a_detail_is_bad(
        self, terminal: Terminal, details: dict[str, object], problem: str
    ) -> None:
        """An order that only the database or the configuration refuses was tried for ever."""
        lines = [
            json_lines(idempotency_key=key, **extra) for key, extra in (("a", {}), ("b", details), ("c", {}))
        ]
        ran = terminal.run("orders", "import", "-o", "json", stdin=b"\n".join(lines))
        assert (ran.code, ran.document["accepted"], ran.document["bad"]) == (1, 2, 1)
        assert problem in json.loads(ran.err.splitlines()[0])["problem"]
        assert CARD not in ran.err

    def test_is_not_shown_where_the_file_has_no_header(self, terminal: Terminal) -> None:
        """The error lists the columns, and here these are the first order."""
        ran = terminal.run("orders", "import", stdin=f"{IN_CSV}1h\n".encode())
        assert (ran.code, TOKEN in ran.err, "two teas" in ran.err) == (2, False, False)
        assert "begin with a header" in ran.err
