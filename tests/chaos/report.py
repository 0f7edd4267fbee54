"""What is printed after a run."""

from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.result import ChaosResult

SHOWN = 20  # Sentences of a kind that are printed; the rest are counted.


def report(result: ChaosResult, *, seconds: float) -> str:
    """Tables of the faults and of the orders, then everything that is wrong, then one line."""
    return "\n".join([*_lines(result), _last(result, seconds)])


def causes(caused: Mapping[str, int]) -> str:
    """The table of faults, for a run without a result."""
    return "\n".join(_table("Caused", dict(sorted(caused.items()))))


def _lines(result: ChaosResult) -> Iterator[str]:
    yield from _table("Caused", dict(sorted(result.caused.items())))
    orders = {"ordered": result.ordered, "accepted": result.accepted, **result.statuses}
    yield from _table("Orders", orders)
    yield from _table("On the way", result.counts)
    yield from _sentences("In review after three crashes, for a person", result.reviews)
    yield from _sentences("LOST", result.lost)
    yield from _sentences("CHARGED TWICE", result.twice)
    yield from _sentences("BROKEN", result.broken)


def _table(title: str, rows: Mapping[str, int]) -> Iterator[str]:
    yield title
    yield from (f"  {name:<44}{number:>8}" for name, number in rows.items())
    yield ""


def _sentences(title: str, found: Sequence[str]) -> Iterator[str]:
    if found:
        yield f"{title} ({len(found)})"
        yield from (f"  {sentence}" for sentence in found[:SHOWN])
        yield ""


def _last(result: ChaosResult, seconds: float) -> str:
    outcome = "Every invariant holds" if result.holds else "AN INVARIANT IS BROKEN"
    return (
        f"{outcome}: {result.accepted} orders accepted, {len(result.lost)} lost, "
        f"{len(result.twice)} charged twice, in {seconds:.0f} s."
    )
