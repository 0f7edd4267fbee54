"""How many calls all processes together may have in hand, found from what they report. `docs/adr/0006` explains it.

There is no limit until a sign of overload, and after an opening of the circuit. All functions are pure; ``now`` is the
store's clock. Whoever synchronizes adds its report here, so no process is in charge and none is needed.
"""

import math
from dataclasses import replace

from breakwall.breaker.circuit.fleet_limit import (
    ALARM,
    MEDIANS_A_ROUND,
    QUIET_SECONDS,
    FleetLimit,
    LoadReport,
    ProcessLoad,
)
from breakwall.breaker.circuit.fleet_rate import RATE_QUIET_SECONDS, rate_grown, throttled

# A process that has not reported for so long, in seconds, has ended, or has no calls.
PROCESS_EXPIRES = 2.0
START = 2.0  # Calls at once after an opening.
SLOW_START_GROWTH = 1.25  # A round, until the first sign of overload.
# What the limit is multiplied with on each sign of overload.
ON_OVERDUE, ON_FAILURES, ON_LATENCY = 0.5, 0.7, 0.85
REST_ROUNDS = 2  # After a step down: until calls that began before it have shown what they show.
# The ceiling is the limit at which the service was last overloaded. Below `NEAR` of it the limit comes back quickly,
# and from there on slowly: calls a second, or a share of the ceiling if that is more. While live calls come it stays
# farther below: they are what a second overload would hurt.
NEAR, NEAR_LIVE = 0.8, 0.7
RETURN_SHARE = 0.2
NEAR_GROWTH, NEAR_SHARE = 0.025, 0.0025
LIVE_GROWTH = 0.25  # Calls a second, while live calls alone need more than the limit and are refused.
FAR = 1.1  # Above so much of the ceiling it is forgotten: the capacity has grown.
STEADY_PACE = 0.7  # Of the answers of the round before: with fewer, the limit does not grow.
SLOWER = 1.5  # A median above so many times the base is a sign of overload.
LESS_SLOW = 0.9  # Of the median at the last step down for latency: above it that step did not help.
# Medians of fewer calls vary so much that their minimum would be far below what is usual: a healthy service with a
# heavy tail would then always seem slow.
LEAST_LATENCY_CALLS = 100
BASE_DRIFT = 1.001  # A round: a service that became slower for good is accepted within minutes.
LEAST_FAILURES, LEAST_FAILURE_SHARE = 2, 0.02


def after_closing(earlier: FleetLimit | None, generation: int, now: float) -> FleetLimit:
    """The slow start after an opening. The ceiling and the rate stay known."""
    kept = earlier or FleetLimit()
    return FleetLimit(
        generation=generation,
        size=START,
        ceiling=kept.ceiling,
        rate=kept.rate,
        rate_ceiling=kept.rate_ceiling,
        rate_at=kept.rate_at,
        refused_at=kept.refused_at,
        round_at=now,
        busy_at=now,
        unknown=kept.unknown,
    )


def in_force(fleet: FleetLimit | None, generation: int, now: float) -> FleetLimit | None:
    """The limit of the circuit's ``generation``.

    A release that knows no limit may have closed the circuit meanwhile. Then the slow start begins now. A rate of long
    ago, which no process has used since, is over.
    """
    if fleet is None:
        return None
    if (
        fleet.rate is not None
        and fleet.has_expired(now)
        and now - (fleet.rate_at or now) > RATE_QUIET_SECONDS
    ):
        fleet = replace(fleet, rate=None, rate_ceiling=None, hold_until=None)
    return fleet if fleet.generation == generation else after_closing(fleet, generation, now)


def add_report(fleet: FleetLimit, report: LoadReport, now: float, *, interval: float) -> FleetLimit | None:
    """The limit with one process's report in it, and a step further if a round of ``interval`` seconds is over.

    Returns None if there is nothing to limit and nothing to share.
    """
    if _is_first_sign(fleet, report, now):
        fleet = _with_late_sign(fleet, report, now)
        return throttled(fleet, report, now) if report.throttled else fleet
    fleet = _with_report(fleet, report, now)
    if report.throttled:
        fleet = throttled(fleet, report, now)
    if fleet.score >= ALARM:
        fleet = _overloaded(fleet, now, interval, ON_OVERDUE)
    elif now >= (fleet.round_at or 0.0) + _round_seconds(fleet, interval):
        fleet = _next_round(fleet, now, interval)
    holds = fleet.hold_until is not None and now < fleet.hold_until
    return fleet if fleet.limits or holds or any(process.capped for process in fleet.processes) else None


def _with_report(fleet: FleetLimit, report: LoadReport, now: float) -> FleetLimit:
    process = ProcessLoad(
        report.id,
        now,
        report.in_hand,
        round(report.background, 1),
        round(report.live, 2),
        report.wants,
        round(report.starts, 1),
        report.capped,
        report.refuses,
        report.waits,
    )
    others = [
        other for other in fleet.processes if other.id != report.id and other.at > now - PROCESS_EXPIRES
    ]
    fleet = replace(fleet, processes=tuple(sorted([*others, process], key=lambda each: each.id)))
    if (report.generation, report.epoch) != (fleet.generation, fleet.epoch):
        return fleet
    medians = fleet.medians + (max(1, report.answered) if report.median else 0)
    latency = fleet.latency
    if report.median:
        latency += (report.median - latency) * max(1, report.answered) / medians
    return replace(
        fleet,
        score=round(min(ALARM, max(report.run, fleet.score + report.weight)), 2),
        proven=fleet.proven or report.answered > 0,
        answered=fleet.answered + report.answered,
        failed=fleet.failed + report.failed,
        medians=medians,
        latency=round(latency, 6),
    )


def _is_first_sign(fleet: FleetLimit, report: LoadReport, now: float) -> bool:
    """Whether there was no limit until a moment ago, so that the calls of other processes belong to the same sign."""
    began_before = report.generation == fleet.generation and report.epoch == 0
    return began_before and fleet.gathers_until is not None and now < fleet.gathers_until


def _with_late_sign(fleet: FleetLimit, report: LoadReport, now: float) -> FleetLimit:
    """Without a limit nothing was reported: what the others have in hand comes with their first reports."""
    known = any(process.id == report.id for process in fleet.processes)
    fleet = replace(_with_report(fleet, report, now), score=0.0)
    if known:
        return fleet
    is_new = fleet.epoch == 0 and fleet.proven and any(process.takes for process in fleet.processes)
    return replace(
        fleet,
        size=round((fleet.size or 0.0) + ON_OVERDUE * report.in_hand, 3),
        ceiling=(fleet.ceiling or 0.0) + report.in_hand,
        epoch=fleet.epoch + is_new,
        proven=fleet.proven and not is_new,
    )


def _round_seconds(fleet: FleetLimit, interval: float) -> float:
    """Until the first sign a round is long enough for all processes to use the last step and to report what it did."""
    if fleet.ceiling is not None or fleet.size is None:
        return interval
    return interval + max(interval, MEDIANS_A_ROUND * (fleet.base or fleet.latency))


def _next_round(fleet: FleetLimit, now: float, interval: float) -> FleetLimit:
    passed = now - (fleet.round_at or now)
    fleet = _with_base(rate_grown(fleet, now))
    calls = fleet.answered + fleet.failed
    failing = fleet.failed / calls if calls else 0.0
    resting = fleet.rest_until is not None and now < fleet.rest_until
    if fleet.size is not None and not resting:
        if fleet.failed >= LEAST_FAILURES and failing > max(LEAST_FAILURE_SHARE, fleet.tolerated):
            return _failing(fleet, failing, now, interval)
        if _is_slow(fleet):
            return _slowed_down(fleet, now, interval)
        fleet = _grown(fleet, now, passed)
    return _round_ended(
        replace(fleet, pace=round(fleet.answered / passed, 1) if passed > 0 else fleet.pace), now
    )


def _with_base(fleet: FleetLimit) -> FleetLimit:
    if fleet.medians < LEAST_LATENCY_CALLS:
        return fleet
    drifted = (fleet.base or math.inf) * BASE_DRIFT
    base = round(min(drifted, fleet.latency), 6)
    return replace(fleet, base=base, slow_for=fleet.slow_for if fleet.latency > SLOWER * base else 0.0)


def _grown(fleet: FleetLimit, now: float, passed: float) -> FleetLimit:
    size = fleet.size or START
    used = sum([process.background + process.live for process in fleet.processes])
    # While a rate holds the background back, more places would change nothing for it.
    wanted = any(process.refuses or (process.wants and fleet.rate is None) for process in fleet.processes)
    if used < size / 2 and not wanted:
        quiet = now - (fleet.busy_at or now) >= QUIET_SECONDS
        return replace(fleet, size=None) if quiet else fleet
    fleet = replace(fleet, busy_at=now)
    if fleet.answered < _least_answers(fleet.pace * passed):
        return fleet
    larger = round(_larger(fleet, size, passed), 3)
    outgrown = fleet.ceiling is not None and larger > FAR * fleet.ceiling
    return replace(fleet, size=larger, ceiling=None if outgrown else fleet.ceiling)


def _least_answers(expected: float) -> float:
    """Fewer answers in a round than this are no noise any more: the last step up may have been one too many."""
    return max(1.0, STEADY_PACE * expected - 2 * math.sqrt(expected))


def _larger(fleet: FleetLimit, size: float, passed: float) -> float:
    ceiling = fleet.ceiling
    if ceiling is None:
        return size * SLOW_START_GROWTH
    near = ceiling * (NEAR_LIVE if any(process.live for process in fleet.processes) else NEAR)
    if size < near:
        return min(near, max(size * SLOW_START_GROWTH, size + RETURN_SHARE * (near - size)))
    growth = max(NEAR_GROWTH, NEAR_SHARE * ceiling)
    live = sum([process.live for process in fleet.processes])
    if live + 1 >= size and any(process.refuses for process in fleet.processes):
        growth = max(growth, LIVE_GROWTH)
    return size + growth * min(passed, 1.0)


def _failing(fleet: FleetLimit, share: float, now: float, interval: float) -> FleetLimit:
    """A step down for failures; unless the last one did not help: then they do not come from the load.

    Nor does the ceiling that was learned from them.
    """
    if fleet.cut_for and share >= ON_FAILURES * fleet.cut_for:
        tolerated = round(min(1.0, SLOWER * max(share, fleet.cut_for)), 3)
        return _round_ended(replace(fleet, tolerated=tolerated, cut_for=0.0, ceiling=None), now)
    return replace(_overloaded(fleet, now, interval, ON_FAILURES), cut_for=round(share, 3))


def _is_slow(fleet: FleetLimit) -> bool:
    return fleet.medians >= LEAST_LATENCY_CALLS and fleet.latency > SLOWER * (fleet.base or math.inf)


def _slowed_down(fleet: FleetLimit, now: float, interval: float) -> FleetLimit:
    """A step down for latency; unless the last one did not help: then the service has become slower for good."""
    wanted = any(process.wants or process.refuses for process in fleet.processes)
    if fleet.slow_for and fleet.latency >= LESS_SLOW * fleet.slow_for and wanted:
        accepted = replace(fleet, base=fleet.latency, slow_for=0.0, ceiling=None, busy_at=now)
        return _round_ended(accepted, now)
    return replace(_overloaded(fleet, now, interval, ON_LATENCY), slow_for=fleet.latency)


def _overloaded(fleet: FleetLimit, now: float, interval: float, factor: float) -> FleetLimit:
    """A step down. It begins a new epoch if calls of this one were answered; else the service may be down, and their
    failures must be able to open the circuit."""
    is_first = fleet.size is None
    size = (
        float(max(1, sum([process.in_hand for process in fleet.processes])))
        if is_first
        else fleet.size or 1.0
    )
    smaller = max(1.0, round(size * factor, 3))
    # Live calls alone are no overload that a limit of the background could have caused.
    from_load = not is_first or any(process.takes for process in fleet.processes)
    is_new = from_load and fleet.proven and (smaller < size or is_first)
    rest = max(REST_ROUNDS * interval, MEDIANS_A_ROUND * (fleet.base or fleet.latency))
    stepped = replace(
        fleet,
        size=smaller,
        ceiling=size,
        epoch=fleet.epoch + is_new,
        proven=fleet.proven and not is_new,
        score=0.0,
        rest_until=now + rest,
        gathers_until=now + rest if is_first else None,
        busy_at=now,
    )
    return _round_ended(stepped, now)


def _round_ended(fleet: FleetLimit, now: float) -> FleetLimit:
    fleet = replace(fleet, round_at=now, answered=0, failed=0)
    # Too few for a median wait for more.
    return fleet if fleet.medians < LEAST_LATENCY_CALLS else replace(fleet, medians=0, latency=0.0)
