"""A metric's name, kind and values, in no format."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FamilyKind(StrEnum):
    """How a number behaves: a ``COUNTER`` only grows, a ``GAUGE`` goes up and down; a ``HISTOGRAM`` counts by size."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


Values = Mapping[tuple[str, ...], float]
"""A metric's series: the number for each tuple of labels' values."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its series.

    Attributes:
        name: as it is written; a counter's ends with ``_total``.
        text: what it is, in a sentence.
        labels: the names of the labels.
        values: by the labels' values. Empty if nothing is known: a missing number is not written as 0. Those of a
            histogram have one label more, the bucket's upper end; each bucket has what is above the one before.
        sums: of a histogram, the sum of all sizes, by the labels' values.
    """

    kind: FamilyKind
    name: str
    text: str
    labels: tuple[str, ...]
    values: Values
    sums: Values = field(default_factory=dict)


def gauge(name: str, text: str, value: float | None) -> Family:
    """A gauge without labels; None: the number is not known."""
    return Family(FamilyKind.GAUGE, name, text, (), _known(value))


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Family:
    """A gauge with one label."""
    return Family(FamilyKind.GAUGE, name, text, (label,), keyed(values))


def counter(name: str, text: str, value: float | None) -> Family:
    """A counter without labels; None: the number is not known."""
    return Family(FamilyKind.COUNTER, name, text, (), _known(value))


def counters(name: str, text: str, labels: tuple[str, ...], values: Values) -> Family:
    """A counter with labels."""
    return Family(FamilyKind.COUNTER, name, text, labels, values)


def histogram(name: str, text: str, labels: tuple[str, ...], values: Values, sums: Values) -> Family:
    """Numbers by size, see `Family`."""
    return Family(FamilyKind.HISTOGRAM, name, text, labels, values, sums)


def one_of(names: Iterable[str], current: str | None) -> dict[str, float]:
    """1.0 for the current name, 0.0 for the others: Prometheus shows no texts."""
    return {name: float(name == current) for name in names}


def keyed(values: Mapping[str, float]) -> Values:
    """The values of one label, as a family has them."""
    return {(key,): value for key, value in values.items()}


def _known(value: float | None) -> dict[tuple[str, ...], float]:
    return {} if value is None else {(): value}
