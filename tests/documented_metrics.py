"""The metrics that docs/metrics.md has a row for."""

import re

from tests.source_tree import ROOT


def documented_metrics() -> set[str]:
    page = (ROOT / "docs/metrics.md").read_text()
    return set(re.findall(r"^\| `((?:breakwall|resilience4j)_\w+)", page, re.M))
