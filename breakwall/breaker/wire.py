"""How a `Circuit` is written in a store: compact JSON that names its format.

Keys are short because every exchange carries them. Fields at their default are left out.
"""

from __future__ import annotations

import json
from typing import Any

from breakwall.breaker.circuit import Circuit, CircuitState, Lease, Override, OverrideMode
from breakwall.breaker.evidence import Bucket, Evidence, Witness

FORMAT = 1


class NewerFormatError(Exception):
    """A newer release wrote this circuit. It must not be overwritten by one that cannot read it."""


def encode(circuit: Circuit) -> str:
    """The circuit as JSON text."""
    evidence = circuit.evidence
    full = {
        "v": FORMAT,
        "s": circuit.state.value,
        "g": circuit.generation or None,
        "b": [[b.index, b.successes, b.failures, b.slow] for b in evidence.buckets] or None,
        "ws": [[w.member, _ms(w.at)] for w in evidence.succeeding] or None,
        "wf": [[w.member, _ms(w.at)] for w in evidence.failing] or None,
        "sa": _ms(evidence.suspected_at),
        "oa": _ms(circuit.opened_at),
        "ou": _ms(circuit.open_until),
        "r": circuit.reopenings or None,
        "l": [[lease.id, _ms(lease.expires_at)] for lease in circuit.leases] or None,
        "p": circuit.probes_succeeded or None,
        "ob": circuit.opened_by or None,
        "n": circuit.open_count or None,
        "lf": _ms(circuit.last_failure_at),
        "o": _encode_override(circuit.override),
    }
    return json.dumps({key: value for key, value in full.items() if value is not None}, separators=(",", ":"))


def decode(text: str) -> Circuit | None:
    """The circuit in ``text``, or None when the text is no circuit at all.

    Raises:
        NewerFormatError: a later release wrote it.
    """
    try:
        raw = json.loads(text)
        version = raw["v"]
    except (ValueError, TypeError, KeyError):
        return None
    if version > FORMAT:
        raise NewerFormatError(f"the stored circuit has format {version}; this release reads {FORMAT}")
    try:
        return _decode(raw)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _decode(raw: dict[str, Any]) -> Circuit:
    return Circuit(
        state=CircuitState(raw["s"]),
        generation=int(raw.get("g", 0)),
        evidence=Evidence(
            buckets=tuple(Bucket(*map(int, counts)) for counts in raw.get("b", ())),
            succeeding=_witnesses(raw.get("ws", ())),
            failing=_witnesses(raw.get("wf", ())),
            suspected_at=_seconds(raw.get("sa")),
        ),
        opened_at=_seconds(raw.get("oa")),
        open_until=_seconds(raw.get("ou")),
        reopenings=int(raw.get("r", 0)),
        leases=tuple(Lease(str(id_), _at(at)) for id_, at in raw.get("l", ())),
        probes_succeeded=int(raw.get("p", 0)),
        opened_by=int(raw.get("ob", 0)),
        open_count=int(raw.get("n", 0)),
        last_failure_at=_seconds(raw.get("lf")),
        override=_override(raw.get("o")),
    )


def _encode_override(override: Override | None) -> dict[str, Any] | None:
    if override is None:
        return None
    return {
        "m": override.mode.value,
        "r": override.reason,
        "a": override.actor,
        "t": _ms(override.set_at),
        "e": _ms(override.expires_at),
    }


def _override(raw: dict[str, Any] | None) -> Override | None:
    if raw is None:
        return None
    return Override(OverrideMode(raw["m"]), raw["r"], raw["a"], _at(raw["t"]), _seconds(raw.get("e")))


def _witnesses(raw: list[list[Any]]) -> tuple[Witness, ...]:
    return tuple(Witness(str(member), _at(at)) for member, at in raw)


# Whole milliseconds: shorter than a float's seventeen digits, and finer than any clock they come from.
def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)


def _at(milliseconds: int) -> float:
    return milliseconds / 1000


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
