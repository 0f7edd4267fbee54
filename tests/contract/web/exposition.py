"""Reads what `/metrics` answers, as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.parser import text_string_to_metric_families

from breakwall.web.metrics import Scrapes
from tests.contract.web.api_site import ApiSite


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, /, **labels: str) -> float:
        """The value of a series. Raises `KeyError` if there is none."""
        return self._samples[name, frozenset(labels.items())]

    def by_series(self) -> dict[str, float]:
        """The values, by the series as PromQL writes it."""
        return {_series(name, labels): value for (name, labels), value in self._samples.items()}

    def has(self, name: str) -> bool:
        """Whether there is a series of this name."""
        return any(name == known for known, _ in self._samples)

    @property
    def state(self) -> str:
        """The circuit's, by resilience4j's name."""
        return self.one("resilience4j_circuitbreaker_state", "state")

    def one(self, name: str, label: str) -> str:
        """The label of the only series with a 1."""
        (found,) = [
            dict(labels)[label] for (known, labels), value in self._samples.items() if known == name and value
        ]
        return found

    def labels(self) -> Iterator[tuple[str, str, str]]:
        """Each metric's labels with their values."""
        for name, labels in self._samples:
            for label, value in labels:
                yield name, label, value


def _series(name: str, labels: Iterable[tuple[str, str]]) -> str:
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels)) + "}"


def scrape(api: ApiSite) -> Scrape:
    """Scrape now, not what another scraper has read in the last seconds."""
    api.app.state.scrapes = Scrapes(api.services, max_age=0.0, clock=lambda: 0.0)
    answer = api.client.get("/metrics")
    assert answer.status_code == 200
    return Scrape(answer.text)
