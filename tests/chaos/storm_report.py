"""What is printed after a storm. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.storm_verdict import Verdict

SHOWN = 20
"""Sentences of a kind that are printed; the rest are counted."""


def report(verdict: Verdict, *, seconds: float) -> str:
    """Tables of what was caused and what became of the orders, then what is wrong, then one line."""
    return "\n".join([*_lines(verdict), _last(verdict, seconds)])


def causes(caused: Mapping[str, int]) -> str:
    """The table of what was caused, for a storm that came to no verdict."""
    return "\n".join(_table("Caused", dict(sorted(caused.items()))))


def _lines(verdict: Verdict) -> Iterator[str]:
    yield from _table("Caused", dict(sorted(verdict.caused.items())))
    orders = {"ordered": verdict.ordered, "accepted": verdict.accepted, **verdict.statuses}
    yield from _table("Orders", orders)
    yield from _table("On the way", verdict.counts)
    yield from _sentences("In review after three crashes, for a person", verdict.reviews)
    yield from _sentences("LOST", verdict.lost)
    yield from _sentences("CHARGED TWICE", verdict.twice)
    yield from _sentences("BROKEN", verdict.broken)


def _table(title: str, rows: Mapping[str, int]) -> Iterator[str]:
    yield title
    yield from (f"  {name:<44}{number:>8}" for name, number in rows.items())
    yield ""


def _sentences(title: str, found: Sequence[str]) -> Iterator[str]:
    if found:
        yield f"{title} ({len(found)})"
        yield from (f"  {sentence}" for sentence in found[:SHOWN])
        yield ""


def _last(verdict: Verdict, seconds: float) -> str:
    said = "The promise holds" if verdict.holds else "THE PROMISE IS BROKEN"
    return (
        f"{said}: {verdict.accepted} orders accepted, {len(verdict.lost)} lost, "
        f"{len(verdict.twice)} charged twice, in {seconds:.0f} s."
    )
