from __future__ import annotations

import re

from breakwall.web.problems import ProblemType
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_docs_list_exactly_the_types_with_their_status_and_title() -> None:
    listed = re.findall(r"^\| `(/problems/[a-z-]+)` \| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert listed == [(one.address, str(one.value.status), one.value.title) for one in ProblemType]


def test_no_two_types_have_one_address() -> None:
    assert len({one.address for one in ProblemType}) == len(ProblemType)
