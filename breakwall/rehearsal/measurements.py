"""What was asked, what the service did, what the settings say, and how the two compare. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a measurement compares with the settings and the gateway's profile."""

    HOLDS = "holds"  # They say no more than was seen.
    BROKEN = "broken"  # They promise more than was seen.
    NOT_SHOWN = "not shown"  # They promise it, and what was seen shows neither.
    UNUSED = "unused"  # The service does more than they say.
    NOTED = "noted"  # They say nothing about it.
    NOT_ASKED = "not asked"

    @property
    def fails(self) -> bool:
        return self in {Verdict.BROKEN, Verdict.NOT_SHOWN}


class Subject(StrEnum):
    """What a measurement is about, for the settings to use."""

    DEDUPLICATION = "deduplication"
    LOOKUP = "lookup"
    KEYS = "keys"
    PREPARING = "preparing"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the report.

    Attributes:
        shown: whether the service did what may be promised; None if that was not seen.
    """

    question: str
    seen: str
    says: str
    verdict: Verdict
    subject: Subject = Subject.OTHER
    shown: bool | None = None


def judge(promised: bool, shown: bool | None) -> Verdict:
    """Compare a promise with what was shown; None: neither was."""
    if shown is None:
        return Verdict.NOT_SHOWN if promised else Verdict.NOTED
    if shown:
        return Verdict.HOLDS if promised else Verdict.UNUSED
    return Verdict.BROKEN if promised else Verdict.HOLDS


def not_asked(question: str, why: str, says: str, subject: Subject = Subject.OTHER) -> Measurement:
    return Measurement(question, why, says, Verdict.NOT_ASKED, subject)
