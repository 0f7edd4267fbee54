"""The settings to use, by what was seen. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from breakwall.rehearsal.measurements import Measurement, Subject, Verdict
from breakwall.rehearsal.promises import Promises

MARGIN = 3  # Times the slowest look-up that was seen: the real service may be slower than its sandbox.
SHORTEST_SETTLE_SECONDS = 30  # The default: a request may be on its way for as long.


@dataclass(frozen=True, slots=True)
class Advised:
    """One line for ``.env``; ``why`` is a sentence."""

    name: str
    value: str
    why: str


def settings_to_use(
    measurements: Sequence[Measurement], promises: Promises, slowest_find: float, *, complete: bool
) -> list[Advised]:
    """One line for each setting about which enough was seen.

    ``complete``: all of the questions were asked without which a repeated key is not trusted.
    """
    return [
        *_deduplicates(_about(measurements, Subject.DEDUPLICATION), promises, complete),
        *_settle_seconds(_about(measurements, Subject.LOOKUP), promises, slowest_find),
        *_keys(_about(measurements, Subject.KEYS)),
    ]


def _about(measurements: Sequence[Measurement], subject: Subject) -> list[Measurement]:
    return [measurement for measurement in measurements if measurement.subject is subject]


def _deduplicates(found: Sequence[Measurement], promises: Promises, complete: bool) -> list[Advised]:
    asked = [measurement for measurement in found if measurement.verdict is not Verdict.NOT_ASKED]
    if not asked:
        return []
    holds = all(measurement.shown for measurement in asked)
    can_be_set = promises.profile.deduplicates or "deduplicates" in promises.set_by_us
    if holds and not (complete and can_be_set):
        return []  # Too little was seen; or the profile is more careful, and no setting changes that.
    if holds:
        why = "If the documentation of the service promises it, too, for as long as PAYMENT_KEY_LIFE says"
        why += "; this is too long to be measured."
    else:
        why = "It is not shown that a repeated key charges once: the charge is looked up before it is sent again."
    return [Advised("BREAKWALL_PAYMENT_DEDUPLICATES", str(holds).lower(), why)]


def _settle_seconds(found: Sequence[Measurement], promises: Promises, slowest_find: float) -> list[Advised]:
    times = [measurement.shown for measurement in found if measurement.says == promises.absent_after]
    if not times or None in times:
        return []  # Not measured; or a charge was not found at all.
    least = max(math.ceil(promises.profile.absent_after), SHORTEST_SETTLE_SECONDS)
    seconds = max(math.ceil(MARGIN * slowest_find), least)
    why = f"{MARGIN} times the slowest look-up that was seen, and at least {least} s."
    return [Advised("BREAKWALL_PAYMENT_SETTLE_SECONDS", str(seconds), why)]


def _keys(found: Sequence[Measurement]) -> list[Advised]:
    if all(measurement.shown for measurement in found):
        return []
    why = "It does not treat each of the callers' own keys as it should; derived ones are short and plain."
    return [Advised("BREAKWALL_PAYMENT_KEYS", "derived", why)]
