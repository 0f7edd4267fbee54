"""The suite notices a gateway that breaks its protocol, and says which promise is broken."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from xml.etree import ElementTree

import pytest

from tests.source_tree import ROOT

SUITE = """
import time
from dataclasses import replace

import pytest

from breakwall.payments.gateways import *
from breakwall.payments.gateways.contract import GatewayContract
from breakwall.payments.gateways.http import HttpGateway
from breakwall.simulator.server import Simulator

PROFILE = GatewayProfile(deduplicates=True, key_life=60, looks_up=True, absent_after=1)

class Subject(GatewayContract):
    fault_timeout = 0.3

    @pytest.fixture
    def sandbox(self, tmp_path):
        simulator = Simulator(host="127.0.0.1", port=0, control_port=0, charge_book=tmp_path / "charges.db")
        yield simulator.url
        simulator.close()

    def make_gateway(self, url):
        return self.Broken(url, profile=PROFILE)
"""

BROKEN = """
class TestBroken{number}(Subject):
    class Broken(HttpGateway):
        {broken}
"""

FIRST_CASES = """
def pytest_collection_modifyitems(items):
    first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
    items[:] = first.values()
"""

WORSE = {
    "says that a lost answer proves no charge": (
        "a_charge_without_an_answer_is_unknown",
        """def charge(self, request, *, deadline):
        answer = super().charge(request, deadline=deadline)
        return replace(answer, outcome=Outcome.FAILED) if answer.outcome is Outcome.UNKNOWN else answer""",
        "only an answer proves anything: else the outcome is UNKNOWN",
    ),
    "raises": (
        "a_charge_without_an_answer_is_unknown",
        """def charge(self, request, *, deadline):
        answer = super().charge(request, deadline=deadline)
        if answer.outcome is Outcome.UNKNOWN: raise TimeoutError
        return answer""",
        "charge raises nothing because of what the service does",
    ),
    "has no deadline": (
        "a_charge_without_an_answer_is_unknown",
        """def charge(self, request, *, deadline):
        return super().charge(request, deadline=deadline + 4)""",
        "charge returns before its deadline",
    ),
    "charges past the deadline": (
        "after_the_deadline_nothing_is_sent",
        """def charge(self, request, *, deadline):
        return super().charge(request, deadline=max(deadline, time.monotonic() + 1))""",
        "a deadline that has passed on entry is NOT_SENT",
    ),
    "sends other keys": (
        "a_repeated_key_does_not_charge_again",
        """def charge(self, request, *, deadline):
        key = f"{request.idempotency_key}-{time.monotonic_ns()}"
        return super().charge(replace(request, idempotency_key=key), deadline=deadline)""",
        "deduplicates: the same key gives the same charge again",
    ),
    "takes silence for absence": (
        "a_look_up_without_an_answer_finds_nothing_out",
        """def look_up(self, key, *, deadline):
        answer = super().look_up(key, deadline=deadline)
        is_silent = answer.result is LookupResult.UNAVAILABLE
        return replace(answer, result=LookupResult.ABSENT) if is_silent else answer""",
        "ABSENT would send the order again",
    ),
    "shows what it was given": (
        "no_answer_shows_a_secret",
        """def charge(self, request, *, deadline):
        answer = super().charge(request, deadline=deadline)
        return replace(answer, detail=f"{request.description} failed")""",
        "no repr, code or detail shows a secret",
    ),
    "closes once": (
        "it_closes_twice",
        """def close(self):
        super().close()
        self.close = lambda: 1 / 0""",
        "close may be called twice",
    ),
}


Failures = dict[str, str]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Failures:
    """What the suite says of each of them, all in one run, by what is broken."""
    folder = tmp_path_factory.mktemp("suite")
    file = folder / "test_broken.py"
    classes = [
        BROKEN.format(number=number, broken=textwrap.indent(broken, "    ").lstrip())
        for number, (_, broken, _) in enumerate(WORSE.values())
    ]
    file.write_text(SUITE + "".join(classes), encoding="utf-8")
    (folder / "conftest.py").write_text(FIRST_CASES, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    tests = [f"{file}::TestBroken{number}::test_{test}" for number, (test, _, _) in enumerate(WORSE.values())]
    command = [sys.executable, "-m", "pytest", *tests, "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [
            *command,
            "-c",
            str(folder / "pytest.ini"),
            "--rootdir",
            str(folder),
            "--junitxml",
            str(folder / "xml"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    cases = [
        case
        for case in ElementTree.parse(folder / "xml").iter("testcase")
        if case.find("failure") is not None
    ]
    said = {case.attrib["classname"].rpartition("TestBroken")[2]: failure_of(case) for case in cases}
    return {name: said.get(str(number), "") for number, name in enumerate(WORSE)}


def failure_of(case: ElementTree.Element) -> str:
    failure = case.find("failure")
    return "" if failure is None else f"{failure.attrib['message']}\n{failure.text}"


@pytest.mark.parametrize("name", WORSE)
def test_a_gateway_is_noticed_that(failures: Failures, name: str) -> None:
    _, _, promise = WORSE[name]
    assert "broken promise: " in failures[name]
    assert promise in failures[name]
