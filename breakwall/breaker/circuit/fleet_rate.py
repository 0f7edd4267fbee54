"""How many background calls a second all processes together may start, once the service refused some for their rate.

A limit of calls in hand is no help there: the refusals come quickly, so more calls follow.
"""

from dataclasses import replace

from breakwall.breaker.circuit.fleet_limit import FleetLimit, LoadReport

# A rate begins at this share of the rate at which the service refused calls, and grows by so much a second.
RATE_ON_REFUSAL, RATE_GROWTH = 0.5, 0.05
RATE_REST = 1.0  # Seconds after a cut until the next one.
LEAST_RATE = 0.2  # Calls a second.
RATE_QUIET_SECONDS = 60.0


def rate_share(fleet: FleetLimit, id_: str) -> float | None:
    """How many background calls a second the process ``id_`` may start; None is any number."""
    takers = {process.id for process in fleet.processes if process.takes} | {id_}
    return None if fleet.rate is None else fleet.rate / len(takers)


def throttled(fleet: FleetLimit, report: LoadReport, now: float) -> FleetLimit:
    """The service refused calls for their rate: the background goes on at half of that rate."""
    hold_until = max(fleet.hold_until or 0.0, now + report.hold) if report.hold else fleet.hold_until
    fleet = replace(fleet, hold_until=hold_until)
    if fleet.refused_at is not None and now - fleet.refused_at < RATE_REST:
        return fleet
    started = sum([process.starts for process in fleet.processes])
    refused = min(started, fleet.rate) if fleet.rate is not None and started else started or fleet.rate or 0.0
    rate = round(max(LEAST_RATE, RATE_ON_REFUSAL * refused), 2)
    return replace(fleet, rate=rate, refused_at=now, rate_at=now)


def rate_grown(fleet: FleetLimit, now: float) -> FleetLimit:
    if fleet.rate is None:
        return fleet
    quiet_for = now - (fleet.refused_at or now)
    started = sum([process.starts for process in fleet.processes])
    if started < fleet.rate / 2:
        # Not used: it may not grow without being tried, but it need not stay for ever.
        return replace(fleet, rate=None, hold_until=None) if quiet_for >= RATE_QUIET_SECONDS else fleet
    if quiet_for < RATE_REST:
        return fleet
    passed = min(now - (fleet.rate_at or now), 1.0)
    return replace(fleet, rate=round(fleet.rate * (1 + RATE_GROWTH * passed), 2), rate_at=now)
