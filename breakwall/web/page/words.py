"""A reader's language: its texts, numbers, money, durations. English and Korean.

Korean texts are in `breakwall/web/locale`, in gettext's format; English ones are in the code and the templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale, negotiate_locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from breakwall.actors import is_named
from breakwall.currencies import MINOR_DIGITS

LANGUAGES = {"en": "English", "ko": "한국어"}
DEFAULT = "en"
_LOCALES = Path(__file__).parents[1] / "locale"

_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[A-Za-z])(?=[0-9])")

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Words:
    """The words of one language. ``language`` is a key of `LANGUAGES`."""

    language: str

    @property
    def locale(self) -> Locale:
        """Babel's."""
        return Locale.parse(self.language)

    def text(self, sentence: str, **values: object) -> str:
        """The sentence in this language; ``%(name)s`` in it stands for a value."""
        return _catalog(self.language).get((sentence, 0), sentence) % values

    def by(self, actor: str | None, sentence: str, unnamed: str, **values: object) -> str:
        """A sentence with who has acted, as ``%(actor)s``; the one ``unnamed`` if no name is known."""
        if actor is None or not is_named(actor):
            return self.text(unnamed, **values)
        return self.text(sentence, actor=actor, **values)

    def action_by(self, action: str, actor: str) -> str:
        """An action in words with who has done it, if a name is known."""
        return self.text("%(action)s by %(actor)s", action=action, actor=actor) if is_named(actor) else action

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """The form of a sentence for a number. ``%(number)s`` stands for it, as this language writes it."""
        form = 0 if number == 1 or not has_plurals(self.language) else 1
        found = _catalog(self.language).get((one, form))
        chosen = found if found is not None else (one if number == 1 else many)
        return chosen % {"number": self.number(number), **values}

    def number(self, value: float) -> str:
        """Such as ``1,284``; at most one decimal below ten, none above."""
        rounded = value if isinstance(value, int) else round(value, 1 if abs(value) < 10 else 0)
        return str(format_decimal(rounded, locale=self.locale))

    def money(self, amount: int, currency: str) -> str:
        """An amount of minor units: ``Words("en").money(1000, "USD") == "$10.00"``. Every digit is shown."""
        digits = MINOR_DIGITS.get(currency, 0)
        pattern = copy(self.locale.currency_formats["standard"])
        pattern.frac_prec = (digits, digits)
        value = Decimal(amount).scaleb(-digits)
        written = str(pattern.apply(value, self.locale, currency=currency, currency_digits=False))
        return _LETTER_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", written)

    def amounts(self, by_currency: Mapping[str, int]) -> str:
        """Some amounts, the currencies in their order: ``₩48,210,000 + $10.00``."""
        return " + ".join(self.money(amount, name) for name, amount in sorted(by_currency.items()))

    def duration(self, seconds: float) -> str:
        """In at most two units: ``Words("en").duration(725) == "12 min"``, in Korean ``12분``."""
        seconds = max(seconds, 0.0)
        if seconds < 2 * _MINUTE:
            return self.text("%(number)s s", number=self.number(round(seconds)))
        if seconds < 2 * _HOUR:
            return self.text("%(number)s min", number=self.number(round(seconds / _MINUTE)))
        if seconds < 2 * _DAY:
            return self._two("%(number)s h", _HOUR, "%(number)s min", _MINUTE, seconds)
        return self._two("%(number)s d", _DAY, "%(number)s h", _HOUR, seconds)

    def moment(self, at: datetime) -> str:
        """A point in time, in UTC, the same in every language: ``2026-11-28 10:21:04``."""
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    def _two(self, great: str, unit: int, small: str, part: int, seconds: float) -> str:
        whole, rest = divmod(round(seconds / part), unit // part)
        first = self.text(great, number=self.number(whole))
        return f"{first} {self.text(small, number=rest)}" if rest else first


def message(text: str) -> str:
    """Marks a text that is translated elsewhere, so that a test finds it."""
    return text


def plural(one: str, many: str) -> tuple[str, str]:
    """Marks the two forms of a text that is translated elsewhere."""
    return one, many


def has_plurals(language: str) -> bool:
    """Whether the language has a form of its own for one thing."""
    return language == "en"


@cache
def read_catalog(language: str) -> Catalog:
    """The translations into a language, as they are in its file."""
    with (_LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


@cache
def _catalog(language: str) -> dict[tuple[str, int], str]:
    """By message and form, the translation; nothing for the language of the code."""
    if language == DEFAULT:
        return {}
    found: dict[tuple[str, int], str] = {}
    for entry in read_catalog(language):
        if entry.id:
            name: Any = entry.id if isinstance(entry.id, str) else entry.id[0]
            texts = [entry.string] if isinstance(entry.string, str) else list(entry.string or ())
            found |= {(name, form): text for form, text in enumerate(texts) if text}
    return found


def choose_language(asked: str | None, kept: str | None, accepted: str | None) -> str:
    """The language by choice (an address, then a cookie), or else by the browser's ``Accept-Language``."""
    for name in (asked, kept):
        if name in LANGUAGES:
            return str(name)
    wanted = [part.split(";")[0].strip() for part in (accepted or "")[:200].split(",")]
    return negotiate_locale(wanted, list(LANGUAGES), sep="-") or DEFAULT
