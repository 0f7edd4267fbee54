"""The fields of an action's form, and what is wrong with what was typed. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from breakwall.texts import MAX_LENGTH, is_allowed
from breakwall.web.page.words import Words


class FieldKind(StrEnum):
    """How a field is filled in."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    CHECK = "check"  # Sends "on", or nothing.


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field, in the reader's language.

    Attributes:
        name: in the form's body.
        value: what it holds at first.
        limit: the longest text, in characters.
        most: the greatest number; each is above 0.
        whole: whether only whole numbers fit.
        choices: values and their words.
        autocomplete: what a browser may fill in, as HTML names it.
    """

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    help: str = ""
    value: str = ""
    required: bool = True
    limit: int = MAX_LENGTH
    most: float = math.inf
    whole: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    autocomplete: str = "off"

    def problem(self, typed: str, words: Words) -> str | None:
        """What is wrong with a text that was typed, and what would be right; None if it can be used."""
        if self.kind is FieldKind.CHOICE:
            known = typed in {value for value, _ in self.choices}
            return None if known else words.text("Please choose one of the list.")
        if not typed.strip():
            return words.text("Please fill this in.") if self.required else None
        if self.kind is FieldKind.NUMBER:
            return self._problem_of_number(typed, words)
        if len(typed) > self.limit:
            return words.text("At most %(number)s characters fit.", number=words.number(self.limit))
        if not is_allowed(typed):
            return words.text("It has a character that cannot be shown, such as a control character.")
        return None

    def _problem_of_number(self, typed: str, words: Words) -> str | None:
        number = number_in(typed)
        if 0 < number <= self.most and (number.is_integer() or not self.whole):
            return None
        if math.isinf(self.most):
            return words.text("It should be a number above 0, such as 2.5.")
        most = words.number(self.most)
        if self.whole:
            return words.text("It should be a whole number from 1 to %(most)s, such as 1.", most=most)
        return words.text("It should be a number above 0 and at most %(most)s, such as 2.5.", most=most)


def number_in(typed: str) -> float:
    """The number that was typed; not a number if it is none."""
    try:
        return float(typed)
    except ValueError:
        return math.nan


def duration_field(lasts: Iterable[float], chosen: float | None, for_ever: str, words: Words) -> FormField:
    """How long something holds: some durations in seconds, or ``for_ever``, until a person ends it."""
    durations = [(f"{seconds:g}", words.duration(seconds)) for seconds in lasts]
    return FormField(
        name="lasts",
        label=words.text("How long"),
        kind=FieldKind.CHOICE,
        value="" if chosen is None else f"{chosen:g}",
        choices=(*durations, ("", for_ever)),
    )


def duration_in(typed: str) -> float | None:
    """The seconds of a choice of `duration_field`; None: until a person ends it."""
    return float(typed) if typed else None
