"""The metrics that docs/metrics.md has a row for, and those that an expression uses."""

import re

from tests.source_tree import ROOT


def documented_metrics() -> set[str]:
    page = (ROOT / "docs/metrics.md").read_text()
    return set(re.findall(r"^\| `((?:breakwall|resilience4j)_\w+)", page, re.M))


def used_metrics(expression: str) -> set[str]:
    """The metrics in PromQL; a histogram by its own name."""
    names = re.findall(r"\b(?:breakwall|resilience4j)_\w+", expression)
    return {name.removesuffix("_bucket") for name in names}
