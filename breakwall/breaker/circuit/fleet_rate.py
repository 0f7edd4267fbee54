"""How many background calls a second all processes together may start, once the service refused some for their rate.

A limit of calls in hand is no help there: the refusals come quickly, so more calls follow.
"""

import math
from dataclasses import replace

from breakwall.breaker.circuit.fleet_limit import FleetLimit, LoadReport
from breakwall.breaker.token_bucket import Turn, turn_of

# The first rate is what the service accepted in the last second. From then on a refusal cuts the rate to this share of
# what was accepted, within these shares of the rate.
OF_ACCEPTED, LEAST_CUT, DEEPEST_CUT = 0.9, 0.85, 0.5
# The ceiling is the rate at which calls were last refused; or, if that is less, so much above what was accepted, and at
# least this share of that rate.
ABOVE_ACCEPTED, LOWER_CEILING = 1.1, 0.7
# Up to `NEAR` of the ceiling the rate is multiplied by this number each
# second, as at first, and from there on it grows by this share of the ceiling.
QUICK_GROWTH, NEAR, NEAR_GROWTH = 3.0, 0.85, 0.01
CALL_GROWTH = 1.25  # No call lets the quick growth exceed this.
LEAST_OPEN = 0.25  # Seconds after a pause: sooner, what was accepted says nothing.
WHOLE = 0.9  # Seconds of starts that tell what the service accepts in one.
FAR = 1.1  # Above so much of the ceiling it is forgotten: the service takes more than before.
USED = 1 / 3  # A rate of which less is used does not grow.
# Seconds after a cut until the next one, after the pause until the rate grows, and for which it grows at once.
RATE_REST, GROWTH_REST, LONGEST_STEP = 1.0, 0.4, 0.4
FIRST_RATE = 1.0  # At least, in calls a second: at the first refusal few processes may have reported.
LEAST_RATE = 0.2  # Calls a second.
DIGITS = 4  # Of a rate as it is stored: a step of a low rate is some thousandths.
RATE_QUIET_SECONDS = 60.0


def turn_among_takers(fleet: FleetLimit, id_: str) -> Turn:
    """Which of the turns under the rate are those of the process ``id_``."""
    return turn_of(id_, {process.id for process in fleet.processes if process.takes} | {id_})


def throttled(fleet: FleetLimit, report: LoadReport, now: float) -> FleetLimit:
    """The service refused calls for their rate: the background continues with what the service accepts."""
    opened_at = fleet.hold_until or 0.0
    hold_until = max(fleet.hold_until or 0.0, now + report.hold) if report.hold else fleet.hold_until
    fleet = replace(fleet, hold_until=hold_until)
    if fleet.refused_at is not None and now - fleet.refused_at < RATE_REST:
        return fleet
    accepted, ceiling = _accepted(fleet), fleet.rate
    if ceiling is None and not report.background_refused:
        return fleet  # It refused live calls alone, which say nothing of the background's rate.
    if ceiling is None:
        rate = max(FIRST_RATE, OF_ACCEPTED * accepted)
        # Without a limit not all processes have reported yet, and in less than a second nobody can say what it takes.
        if fleet.size is not None and report.started_for >= WHOLE:
            ceiling = accepted
    else:
        # Few calls vary much. A pause that ended a moment ago is no time in which calls could be accepted.
        most = (accepted + 2 * math.sqrt(max(1.0, accepted))) / min(1.0, max(LEAST_OPEN, now - opened_at))
        rate = min(max(OF_ACCEPTED * most, DEEPEST_CUT * ceiling), LEAST_CUT * ceiling)
        # After quick growth the rate may be far above what was accepted.
        ceiling = min(ceiling, max(ABOVE_ACCEPTED * most, LOWER_CEILING * ceiling))
    rate = round(max(LEAST_RATE, rate), DIGITS)
    ceiling = ceiling and round(ceiling, DIGITS)
    return replace(fleet, rate=rate, rate_ceiling=ceiling, refused_at=now, rate_at=now)


def rate_grown(fleet: FleetLimit, now: float) -> FleetLimit:
    if fleet.rate is None:
        return fleet
    quiet_for = now - (fleet.refused_at or now)
    if _accepted(fleet) < USED * fleet.rate:
        # Not used: it may not grow without being tried, but it need not stay for ever.
        forgotten = quiet_for >= RATE_QUIET_SECONDS
        return replace(fleet, rate=None, rate_ceiling=None, hold_until=None) if forgotten else fleet
    if now - max(fleet.refused_at or now, fleet.hold_until or 0.0) < GROWTH_REST:
        return fleet
    rate = round(
        _larger(fleet.rate, fleet.rate_ceiling, min(now - (fleet.rate_at or now), LONGEST_STEP)), DIGITS
    )
    outgrown = fleet.rate_ceiling is not None and rate > FAR * fleet.rate_ceiling
    return replace(fleet, rate=rate, rate_at=now, rate_ceiling=None if outgrown else fleet.rate_ceiling)


def _larger(rate: float, ceiling: float | None, passed: float) -> float:
    """The rate ``passed`` seconds later, if nothing was refused."""
    # Of few calls a second each has to show first what the last step did.
    quick: float = rate * min(QUICK_GROWTH, CALL_GROWTH**rate) ** passed
    if ceiling is None:
        return quick
    near = round(NEAR * ceiling, DIGITS)  # As the rate is: else it would stay below that for ever.
    return min(near, quick) if rate < near else rate + max(NEAR_GROWTH * ceiling, LEAST_RATE / 10) * passed


def _accepted(fleet: FleetLimit) -> float:
    """How many calls were started in the last second, and not refused."""
    return sum([process.starts for process in fleet.processes])
