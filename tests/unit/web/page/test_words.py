"""The reader's language: numbers, money, durations, and a translation for each text."""

from __future__ import annotations

import re

import pytest

from breakwall.currencies import MINOR_DIGITS
from breakwall.web.page.words import Words, choose_language, read_catalog
from tests.page_messages import messages

ENGLISH, KOREAN = Words("en"), Words("ko")
TEXTS = messages()


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (48_210_000, "KRW", "₩48,210,000"),
        (1000, "USD", "$10.00"),
        (5, "USD", "$0.05"),
        (99_999_999_999_999, "USD", "$999,999,999,999.99"),
        (1_234_567, "KWD", "KWD\xa01,234.567"),
        (1, "XYZ", "XYZ\xa01"),
    ],
)
def test_money_is_written_with_the_digits_of_its_currency(amount: int, currency: str, written: str) -> None:
    assert ENGLISH.money(amount, currency) == written


@pytest.mark.parametrize("currency", MINOR_DIGITS)
def test_no_currency_loses_a_digit(currency: str) -> None:
    shown = KOREAN.money(123_456_789, currency)
    assert re.sub(r"\D", "", shown) == "123456789", shown


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0, "0 s", "0초"),
        (-3, "0 s", "0초"),
        (18.4, "18 s", "18초"),
        (725, "12 min", "12분"),
        (2 * 3600, "2 h", "2시간"),
        (2 * 3600 + 600, "2 h 10 min", "2시간 10분"),
        (3 * 86_400 + 7200, "3 d 2 h", "3일 2시간"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, english: str, korean: str) -> None:
    assert ENGLISH.duration(seconds) == english
    assert KOREAN.duration(seconds) == korean


def test_small_numbers_have_one_decimal() -> None:
    assert ENGLISH.number(1.84) == "1.8"
    assert ENGLISH.number(1284.2) == "1,284"


def test_one_and_many() -> None:
    forms = "%(number)s order waiting, none lost.", "%(number)s orders waiting, none lost."
    assert ENGLISH.count(*forms, 1) == "1 order waiting, none lost."
    assert ENGLISH.count(*forms, 0) == "0 orders waiting, none lost."
    assert KOREAN.count(*forms, 1) == "주문 1건이 대기 중이며, 유실은 없습니다."


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "language"),
    [
        ("ko", "en", "en", "ko"),
        (None, "ko", "en", "ko"),
        (None, None, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        (None, None, "fr, de;q=0.5", "en"),
        (None, None, None, "en"),
        ("xx", None, "ko", "ko"),
        ("<script>", "../..", ";;;,,", "en"),
    ],
)
def test_the_language_is_chosen_kept_or_accepted(
    asked: str | None, kept: str | None, accepted: str | None, language: str
) -> None:
    assert choose_language(asked, kept, accepted) == language


def test_the_texts_are_found() -> None:
    assert "Oldest %(time)s." in TEXTS  # In code.
    assert "Skip to the content" in TEXTS  # In a template.
    assert TEXTS["%(number)s order waiting, none lost."] == "%(number)s orders waiting, none lost."


def test_each_text_is_translated_and_no_translation_is_left_over() -> None:
    catalog = read_catalog("ko")
    found = {entry.id if isinstance(entry.id, str) else entry.id[0] for entry in catalog if entry.id}
    assert found == set(TEXTS)
    assert not [entry.id for entry in catalog if entry.id and entry.fuzzy]


@pytest.mark.parametrize("text", sorted(TEXTS))
def test_a_translation_has_the_same_values(text: str) -> None:
    entry = read_catalog("ko").get(text)
    assert entry is not None
    translated = entry.string if isinstance(entry.string, str) else entry.string[0]
    assert translated
    assert placeholders(translated) == placeholders(text)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|%%", text))
